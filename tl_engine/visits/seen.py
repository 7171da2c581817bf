"""Signs of life: when each workspace was last heard of, and what of it went by its age.

A mark on the disk for those that have something here; of all others, who may be made up, it is only remembered.
"""

import contextlib
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from tl_engine.base.files import write_json
from tl_engine.base.settings import Settings
from tl_engine.ledger.listing import owners
from tl_engine.visits.disk import make_marks_folder, marks_folder
from tl_engine.workspaces.workspace import TOKEN, Workspace

EVERY = 60.0  # seconds between two touches of a mark
MOST = 20_000  # workspaces that are remembered
MOST_GONE = 100  # names that a mark keeps of what went
_LOCK = threading.Lock()
_TOLD: OrderedDict[Path, float] = OrderedDict()  # mark -> when it was last heard of, seconds since 1970


def note(workspace: Workspace) -> None:
    """This workspace was heard of now. Cheap: more than one call a minute does nothing. Never raises for a disk."""
    mark, now = _mark(workspace.settings, workspace.token), time.time()
    with _LOCK:
        if 0 <= now - _TOLD.get(mark, 0.0) < EVERY:
            return
        _TOLD[mark] = now
        _TOLD.move_to_end(mark)
        while len(_TOLD) > MOST:
            _TOLD.popitem(last=False)
    with contextlib.suppress(OSError):
        if mark.exists():
            os.utime(mark)
        elif has_something(workspace):
            make_marks_folder(workspace.settings)
            mark.touch(mode=0o600)


def last_seen(settings: Settings, token: str) -> float | None:
    """When that workspace was last heard of, within a minute, seconds since 1970; None: not known, or no token."""
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        return None
    mark = _mark(settings, token)
    with contextlib.suppress(OSError):
        return mark.stat().st_mtime
    with _LOCK:
        return _TOLD.get(mark)


def has_something(workspace: Workspace) -> bool:
    """Whether it brought or started anything that is still here."""
    return workspace.folder.is_dir() or workspace.token in owners(workspace.settings)


def marked(settings: Settings) -> list[str]:
    """The workspaces that have a mark."""
    folder = marks_folder(settings)
    return [file.name for file in folder.iterdir() if TOKEN.fullmatch(file.name)] if folder.is_dir() else []


def remember_gone(settings: Settings, token: str, names: Iterable[str]) -> None:
    """Note what of a workspace went by its age: choices of data and names of runs. When it was seen stays as it is."""
    seen, mark = last_seen(settings, token), _mark(settings, token)
    kept = [*gone(settings, token), *names][-MOST_GONE:]
    with contextlib.suppress(OSError):
        make_marks_folder(settings)
        write_json(mark, {"gone": kept})
        mark.chmod(0o600)
        os.utime(mark, (seen or 0.0, seen or 0.0))


def gone(settings: Settings, token: str) -> list[str]:
    """What of a workspace went by its age, as long as its mark is kept."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_mark(settings, token).read_text(encoding="ascii"))["gone"]
        return [name for name in kept if isinstance(name, str)]
    return []


def forget(settings: Settings, token: str) -> None:
    """Do away with a workspace's mark."""
    with contextlib.suppress(OSError):
        _mark(settings, token).unlink(missing_ok=True)


def _mark(settings: Settings, token: str) -> Path:
    return marks_folder(settings) / token

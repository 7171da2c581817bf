"""Who is in the class: a workspace each, the name that its pupil chose, and when it was last heard of. No torch.

The name lies in the workspace's own folder, so that it goes where everything of the pupil's goes. It is for the teacher
only: no log, no title and no other pupil's page has it.
"""

import contextlib
import hashlib
import json
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass

from tl_engine.base.errors import ConfigError, EngineError
from tl_engine.base.files import write_json
from tl_engine.base.names import plain_title
from tl_engine.base.settings import Settings
from tl_engine.visits.seen import last_seen
from tl_engine.workspaces.workspace import TOKEN, Workspace

FILE = ".pupil.json"  # in a workspace
NAME_LENGTH = 40  # characters
MOST_REMEMBERED = 2_000  # workspaces of which it is known when they were seen


@dataclass(frozen=True, slots=True)
class Pupil:
    """One of the class."""

    workspace: Workspace
    name: str  # "" until they say one
    joined: float  # seconds since 1970

    @property
    def seat(self) -> str:
        """What a teacher's page calls them: who has it can do nothing with it, as with the workspace's secret."""
        return hashlib.sha256(self.workspace.token.encode()).hexdigest()[:12]


def join(visitor: Workspace) -> Pupil:
    """Count a workspace among the class, which it may be already. Raises ConfigError where nothing can be written."""
    return pupil_of(visitor) or _write(Pupil(visitor, "", time.time()))


def name_pupil(visitor: Workspace, name: str) -> Pupil:
    """Keep the name that a pupil chose. Raises ConfigError."""
    plain = plain_title(name, NAME_LENGTH)
    if plain is None:
        raise ConfigError(f"A name must have 1 to {NAME_LENGTH} visible characters: type yours again.")
    known = pupil_of(visitor)
    return _write(Pupil(visitor, plain, known.joined if known else time.time()))


def _write(pupil: Pupil) -> Pupil:
    try:
        write_json(pupil.workspace.folder / FILE, {"name": pupil.name, "joined": pupil.joined})
    except OSError as error:
        raise ConfigError(f"Nothing can be saved here ({error.strerror}): tell your teacher.") from None
    return pupil


def pupil_of(visitor: Workspace) -> Pupil | None:
    """The pupil of a workspace; None for one that is not of the class."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((visitor.folder / FILE).read_text(encoding="utf-8"))
        return Pupil(visitor, str(kept["name"])[:NAME_LENGTH], float(kept["joined"]))
    return None


def pupils(settings: Settings) -> list[Pupil]:
    """The class, in the order in which they came."""
    folders = [file.parent.name for file in settings.uploads.glob(f"*/{FILE}")]
    found = [pupil_of(Workspace(settings, name)) for name in folders if TOKEN.fullmatch(name)]
    return sorted((pupil for pupil in found if pupil), key=lambda pupil: (pupil.joined, pupil.seat))


def labels(class_: list[Pupil]) -> dict[str, str]:
    """Seat -> what a teacher reads: the name, with a number where two chose the same; `Pupil 3` without one."""
    wanted = {pupil.seat: pupil.name or f"Pupil {number}" for number, pupil in enumerate(class_, start=1)}
    alike, so_far = Counter(name.casefold() for name in wanted.values()), Counter[str]()
    told = {}
    for seat, name in wanted.items():
        so_far[name.casefold()] += 1
        number = so_far[name.casefold()]
        told[seat] = f"{name} ({number})" if alike[name.casefold()] > 1 and number > 1 else name
    return told


def at_seat(seat: str, settings: Settings) -> Pupil:
    """The pupil that a teacher means. Raises EngineError."""
    found = next((pupil for pupil in pupils(settings) if pupil.seat == seat), None)
    if found is None:
        raise EngineError("Pick a pupil in the list first." if not seat else "That pupil is not here any more.")
    return found


class Presence:
    """When each workspace was last heard of, to the second: a page that is open asks every few seconds.

    In this process's memory; of the time before it there are the marks of visits, which tell minutes.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def mark(self, visitor: Workspace) -> None:
        """It is there now."""
        with self._lock:
            self._seen[visitor.token] = time.time()
            self._seen.move_to_end(visitor.token)
            while len(self._seen) > MOST_REMEMBERED:
                self._seen.popitem(last=False)

    def seen(self, visitor: Workspace) -> float | None:
        """When it was last heard of, seconds since 1970; None: never, as far as anybody knows."""
        return self._seen.get(visitor.token) or last_seen(visitor.settings, visitor.token)

"""A workspace on another device: a short code with a short life, for one use, that stands for the workspace's secret.

The codes lie in a small file that only this program reads, so that a restart does not matter; not they themselves but
their hashes. Wrong tries are counted for each person and for all together.
"""

import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections import deque

from tl_engine.base.errors import EngineError
from tl_engine.base.files import write_whole
from tl_engine.base.settings import Settings
from tl_engine.visits.disk import make_marks_folder, marks_folder
from tl_engine.visits.seen import has_something
from tl_engine.workspaces.workspace import TOKEN, Workspace

LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none that looks like another
LENGTH = 8
LIFE = 600.0  # seconds
MOST_CODES = 2_000  # alive at once
WINDOW = 600.0  # seconds in which wrong tries count
TRIES, ALL_TRIES = 8, 200  # wrong ones in a window, of one person and of all together
FILE = "codes.json"
WRONG = "This code is wrong, used or older than ten minutes: make a new one on your other device."
_LOCK = threading.Lock()
_WRONG: deque[tuple[float, str]] = deque()  # when, by whom; this process's only
Codes = dict[str, tuple[str, float]]  # hash of a code -> the workspace, and until when


def make_code(visitor: Workspace) -> str:
    """A new code for this workspace, `ABCD-EFGH`; the one before is void. Raises EngineError."""
    if not has_something(visitor):
        raise EngineError("Nothing here is yours yet, so there is nothing to go on with: bring photos or train first.")
    code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    with _LOCK:
        codes = {key: value for key, value in _alive(visitor.settings).items() if value[0] != visitor.token}
        if len(codes) >= MOST_CODES:
            raise EngineError("Too many codes are in use just now: try again in ten minutes.")
        _write(codes | {_hash(code): (visitor.token, time.time() + LIFE)}, visitor.settings)
    return f"{code[:4]}-{code[4:]}"


def check_code(settings: Settings, code: object, person: str) -> Workspace:
    """The workspace that this code would open now. Raises EngineError; a wrong one counts as a try of this person."""
    with _LOCK:
        codes, key = _found(settings, code, person)
    return Workspace(settings, codes[key][0])


def use_code(settings: Settings, code: object, person: str) -> Workspace:
    """The workspace behind a code, which is used up by that. Raises EngineError."""
    with _LOCK:
        codes, key = _found(settings, code, person)
        token, _ = codes.pop(key)
        _write(codes, settings)
    return Workspace(settings, token)


def plain_code(sent: object) -> str:
    """What a person typed or a link holds, as it was made: capitals, without what parts it."""
    return "".join(letter for letter in str(sent)[:40].upper() if letter in LETTERS)


def _found(settings: Settings, code: object, person: str) -> tuple[Codes, str]:
    now = time.time()
    while _WRONG and now - _WRONG[0][0] > WINDOW:
        _WRONG.popleft()
    own = sum(by == person for _, by in _WRONG)
    if own >= TRIES or len(_WRONG) >= ALL_TRIES:
        raise EngineError("Too many wrong codes were tried: wait ten minutes, then make a new one.")
    codes, key = _alive(settings), _hash(plain_code(code))
    if key not in codes:
        _WRONG.append((now, person))
        raise EngineError(WRONG)
    return codes, key


def _alive(settings: Settings) -> Codes:
    """The codes that can be used; nothing where their file is missing or damaged."""
    now = time.time()
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        kept = json.loads((marks_folder(settings) / FILE).read_text(encoding="ascii"))
        found = {str(key): (str(token), float(until)) for key, (token, until) in kept.items()}
        return {
            key: value for key, value in found.items() if now < value[1] <= now + LIFE and TOKEN.fullmatch(value[0])
        }
    return {}


def _write(codes: Codes, settings: Settings) -> None:
    try:
        write_whole(make_marks_folder(settings) / FILE, json.dumps(codes).encode("ascii"), private=True)
    except OSError as error:
        raise EngineError(f"The code could not be saved ({error.strerror}): try again later.") from None


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()

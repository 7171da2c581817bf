"""What did not come along into a data folder, remembered inside of it for whoever looks into it later."""

import json
from collections.abc import Sequence
from pathlib import Path

from tl_engine.base.names import LEFT_OUT_FILE

MOST_BYTES = 10_000_000  # of a file that anybody may have put there


def write_left_out(folder: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """Remember (file below the folder, one sentence why). Nothing is written where nothing was left out.

    Raises OSError.
    """
    if skipped:
        found = [{"file": file, "reason": reason} for file, reason in skipped]
        Path(folder, LEFT_OUT_FILE).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


def left_out(folder: Path) -> tuple[tuple[str, str], ...]:
    """The files that did not come along, each with one sentence why: (file below the folder, reason).

    Empty where nothing was left out, or where the file that says it cannot be read.
    """
    try:
        with Path(folder, LEFT_OUT_FILE).open(encoding="utf-8") as file:
            found = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return ()
    entries = found if isinstance(found, list) else []
    return tuple((one["file"], one["reason"]) for one in entries if _is_one(one))


def _is_one(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("file", "reason"))

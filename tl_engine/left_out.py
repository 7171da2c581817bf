"""What did not come along into a data folder, remembered inside it, so that whoever looks into it later is told."""

import json
from collections.abc import Sequence
from pathlib import Path

LEFT_OUT = ".left-out.json"  # in the folder itself; a list of {"file": ..., "reason": ...}
MOST_BYTES = 10_000_000  # of a file that anybody may have put there


def write_left_out(folder: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """Remember (file below the folder, one sentence why). Nothing is written where nothing was left out.

    Raises OSError.
    """
    if skipped:
        found = [{"file": file, "reason": reason} for file, reason in skipped]
        Path(folder, LEFT_OUT).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


def left_out(folder: Path) -> tuple[tuple[str, str], ...]:
    """The files that did not come along, each with one sentence why: (file below the folder, reason).

    Empty where nothing was left out, or where the file that says it cannot be read.
    """
    try:
        with Path(folder, LEFT_OUT).open(encoding="utf-8") as file:
            found = json.loads(file.read(MOST_BYTES))
        return tuple((str(one["file"]), str(one["reason"])) for one in found)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ()

"""The content hash of every photo, read from its bytes once ever: while size and time stay, so does the hash."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tl_engine.base.files import file_hash, write_json
from tl_engine.base.parallel import in_order
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import ImageFolder, Record

FORMAT = 1
Known = Mapping[str, tuple[int, int, str]]  # file below the root -> size in bytes, time in ns since 1970, SHA-256


def content_hashes(
    data: ImageFolder, settings: Settings, check_stop: Callable[[], None] = lambda: None
) -> dict[Path, str]:
    """SHA-256 of each record's bytes, in hexadecimal; a file that cannot be read has a name of its own instead."""
    kept = kept_file(data.root, settings)
    known = _read(kept)
    files = {record.path: record.path.relative_to(data.root).as_posix() for record in data.records}
    found = {}
    hashed = in_order(lambda record: _hashed(record, files[record.path], known), data.records)
    for record, facts in zip(data.records, hashed, strict=True):
        check_stop()
        found[record.path] = facts
    fresh = {files[path]: facts for path, facts in found.items() if facts}
    if any(known.get(file) != facts for file, facts in fresh.items()):
        with contextlib.suppress(OSError):  # the cache only saves time
            write_json(kept, {"format": FORMAT, "hashes": {**known, **fresh}})
    return {path: facts[2] if facts else f"unreadable {path}" for path, facts in found.items()}


def kept_file(root: Path, settings: Settings) -> Path:
    """Where the hashes of the data set at `root` are kept."""
    return settings.cache / "hashes" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.json"


def _hashed(record: Record, file: str, known: Known) -> tuple[int, int, str] | None:
    try:
        status = record.path.stat()
        old = known.get(file)
        if old and tuple(old[:2]) == (status.st_size, status.st_mtime_ns):
            return old
        return status.st_size, status.st_mtime_ns, file_hash(record.path)
    except OSError:
        return None  # whoever decodes it will say why


def _read(path: Path) -> dict[str, tuple[int, int, str]]:
    """What the cache holds; nothing where it is missing, damaged or of another version."""
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
        if kept["format"] != FORMAT:
            return {}
        return {
            file: (int(size), int(changed), str(digest)) for file, (size, changed, digest) in kept["hashes"].items()
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return {}

"""Which disk this is: a name made once, by which a browser knows a server that lost everything from one that has it."""

import contextlib
import secrets
from pathlib import Path

from tl_engine.base.files import write_whole
from tl_engine.base.settings import Settings

MARKS = ".seen"  # below the uploads: what is known of visitors beside what they brought
NAME = "disk"


def marks_folder(settings: Settings) -> Path:
    """Where the marks of visitors lie; only this program reads it."""
    return settings.uploads / MARKS


def make_marks_folder(settings: Settings) -> Path:
    """The same, made. Raises OSError."""
    folder = marks_folder(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def name_disk(settings: Settings) -> None:
    """Give the disk a name if it has none; a full one gets none."""
    with contextlib.suppress(OSError):
        if not disk_name(settings):
            write_whole(make_marks_folder(settings) / NAME, secrets.token_hex(8).encode())


def disk_name(settings: Settings) -> str:
    """Its name; "" where it has none (yet)."""
    with contextlib.suppress(OSError, ValueError):
        return (marks_folder(settings) / NAME).read_text(encoding="ascii").strip()
    return ""

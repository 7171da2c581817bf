"""A picture's file, opened so that nothing hangs and everything that goes wrong is one sentence. No torch here."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from tl_engine.base.errors import ImageError, not_opened
from tl_engine.base.names import visible
from tl_engine.base.settings import MEGABYTE

Source = Path | IO[bytes]
# A pipe without a writer must not keep us waiting; Windows would translate line ends.
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def display_name(source: Source, name: str | None) -> str:
    """The name as one short line: a file's name may hold line breaks and 255 letters."""
    name = name or (source.name if isinstance(source, Path) else "the picture")
    line = visible(name)
    return line if len(line) <= 80 else f"{line[:60]}...{line[-12:]}"


@contextmanager
def opened(source: Source, name: str, most_bytes: int) -> Iterator[IO[bytes]]:
    """The file from its start. Raises ImageError for what is no file, empty or larger than `most_bytes`."""
    if isinstance(source, Path):
        with _regular(source, name) as file:
            _check_size(os.fstat(file.fileno()).st_size, name, most_bytes)
            yield file
    else:
        _check_size(source.seek(0, io.SEEK_END), name, most_bytes)
        source.seek(0)
        yield source


def _regular(path: Path, name: str) -> IO[bytes]:
    descriptor = os.open(path, FLAGS)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise ImageError(f"{name} is a folder, not a picture: name the pictures in it.")
    raise ImageError(f"{name} is a pipe or a device, not a picture: name a file.")


def _check_size(size: int, name: str, most_bytes: int) -> None:
    if size > most_bytes:
        raise ImageError(f"{name} is larger than {most_bytes // MEGABYTE} MB: save it smaller.")
    if not size:
        raise ImageError(f"{name} is empty (0 bytes): copy it again.")


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence: ValueError, SyntaxError and others, far more than OSError."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, MemoryError):
        raise ImageError(f"{name} needs more memory than there is: save it smaller.") from None
    except FileNotFoundError:
        raise ImageError(f"{name} is not there: check the path.") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageError(not_opened(name, error)) from error
        raise damaged(name, "truncated" in str(error).lower()) from error


def damaged(name: str, cut_short: bool = False) -> ImageError:
    """The refusal of a file whose content is broken."""
    return ImageError(f"{name} is {'cut short' if cut_short else 'damaged'} and cannot be read: save or copy it again.")

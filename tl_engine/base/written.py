"""What people write by hand, made into paths and values: the one place for every flag, variable and file. No torch."""

import json
import os
from pathlib import Path
from typing import Any, Final

from tl_engine.base.errors import ConfigError
from tl_engine.base.names import FILE_NAME_BYTES

AUTO: Final = "auto"  # what a person writes to leave a choice to the program; a doubt then becomes a Question


def written_path(text: str) -> Path:
    """The absolute path that a person means by `text`; a leading ~ is a home folder, however it came in.

    Shells leave the ~ of `--runs=~/x` alone. Raises ConfigError for what can be no path.
    """
    try:
        path = Path(text).expanduser().absolute()
        if not text or "\0" in text or max(len(os.fsencode(part)) for part in path.parts) > FILE_NAME_BYTES:
            raise ValueError  # else every system call raises an error of its own
        return path
    except (RuntimeError, ValueError):
        raise ConfigError(f"{text[:60]!r} names no folder or file here: write its whole path.") from None


def written_options(text: str) -> dict[str, Any]:
    """The option names and values in the json file that a person names. Raises ConfigError."""
    path = written_path(text)
    if path.is_dir():
        raise ConfigError(f"The config file {text!r} is a folder: name the json file in it.")
    if not path.exists():
        raise ConfigError(f"The config file {text!r} is not there: check the path.")
    try:
        options = written_json(path)
    except ValueError as error:
        raise ConfigError(f"The config file {text!r} is not readable json: {error}.") from None
    if not isinstance(options, dict):
        raise ConfigError(f"The config file {text!r} must hold one json object with option names.")
    return options


def written_json(path: Path) -> Any:
    """The value in a json file, whichever of UTF-8, UTF-16 and UTF-32 an editor saved it as, with its mark or without.

    Raises ValueError whose text says in a few words, without a path, what is wrong with the file.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from None
    except RecursionError:
        raise ValueError("its brackets are too deep") from None
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None

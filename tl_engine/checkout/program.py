"""What of this program goes to another machine: what git has of it, else the same by a list; nothing of the host's.

No tests, documents or pictures, no runs, uploads, caches, and no backbones that the host keeps.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import PROJECT

FILES = ("app.py", "LICENSE", "CHANGELOG.md", "pyproject.toml")
FOLDERS = ("tl_engine", "ui", "weights/demo")
KEPT_EMPTY = ("weights/backbones/.gitkeep", "weights/runs/.gitkeep")
NEEDED = ("app.py", "tl_engine/__main__.py", "ui/page.py")
GIT_SECONDS = 20


def program_files(root: Path = PROJECT) -> dict[str, Path]:
    """The files by their names there. Raises ConfigError where this is no whole checkout."""
    found = _in_git(root)
    names = sorted(name for name in (found or _listed(root)) if _goes_along(name))
    files = {name: root / name for name in names if (root / name).is_file() and not _linked(root, name)}
    if missing := [name for name in NEEDED if name not in files]:
        raise ConfigError(f"{missing[0]} is not beside the program, which is needed there: use a whole checkout.")
    return files


def _goes_along(name: str) -> bool:
    """Whether a file is part of the program; a hidden one never is."""
    if name in (*FILES, *KEPT_EMPTY):
        return True
    parts = Path(name).parts
    hidden = any(part.startswith(".") or part == "__pycache__" for part in parts) or name.endswith(".pyc")
    return not hidden and any(Path(name).is_relative_to(folder) for folder in FOLDERS)


def _linked(root: Path, name: str) -> bool:
    """Whether a name leads elsewhere: what lies there is not the program's."""
    path = root / name
    return any(part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(root) and part != root)


def _in_git(root: Path) -> list[str]:
    """What git has there; nothing where it has nothing, or there is none."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [name for name in done.stdout.decode("utf-8", "replace").split("\0") if name]


def _listed(root: Path) -> Iterator[str]:
    yield from (*FILES, *KEPT_EMPTY)
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            yield path.relative_to(root).as_posix()

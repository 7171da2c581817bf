"""The two files that run a network in a browser: onnxruntime-web, from the cache, npm, or a public mirror of npm.

No package of Python brings them and 14 MB do not belong into this repository, so they are fetched once, whole or not at
all, and are what the pinned hashes say, wherever they came from.
"""

import base64
import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.download import DownloadError, download
from tl_engine.base.errors import EngineError, WeightsError
from tl_engine.base.files import file_hash, made_whole
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Settings
from tl_engine.base.written import written_path

MIRROR = "https://cdn.jsdelivr.net/npm"
MIRROR_VARIABLE = "TL_ORT_WEB"
MOST_PACKED = 100_000_000  # bytes; the package has 33 MB
# npm answers from its own cache within a second. Its network is given up early: the mirror is asked next.
NPM_TRIES = ((("--offline",), 30), (("--fetch-retries=0", "--fetch-timeout=20000"), 180))  # options, seconds


@dataclass(frozen=True, slots=True)
class Part:
    """One of the files, as published."""

    name: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """One version of the package, pinned."""

    version: str
    module: Part
    wasm: Part
    integrity: str  # of npm's archive, as npm writes it

    @property
    def package(self) -> str:
        """As npm names it."""
        return f"onnxruntime-web@{self.version}"

    @property
    def folder(self) -> str:
        """Its name below the cache."""
        return f"onnxruntime-web-{self.version}"

    @property
    def parts(self) -> tuple[Part, Part]:
        """Both files."""
        return self.module, self.wasm

    @property
    def size(self) -> int:
        """Bytes of both files."""
        return self.module.size + self.wasm.size


RELEASE = Release(
    version="1.30.0",
    module=Part("ort.wasm.bundle.min.mjs", 73_054, "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"),
    wasm=Part(
        "ort-wasm-simd-threaded.wasm", 14_239_897, "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
    integrity="sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)


@dataclass(frozen=True, slots=True)
class WebRuntime:
    """Where the two files lie."""

    module: Path  # JavaScript, a module
    wasm: Path


class _NpmError(EngineError):
    """npm has not got the files, in half a sentence."""


def find_web_runtime(settings: Settings, tell: OnProgress | None = None, release: Release = RELEASE) -> WebRuntime:
    """The two files, fetched into the cache where they are not there yet; `tell` hears of bytes.

    The first of: the cache; what TL_ORT_WEB names, a folder or an address, and then nothing else; npm; a public mirror.
    Raises WeightsError where nobody has them, DataError where the cache cannot be written.
    """
    folder = settings.cache / release.folder
    if not _is_right(folder, release):
        with tempfile.TemporaryDirectory(prefix="tl-web-runtime-") as place:
            contents = _fetched(Path(place), release, tell)
        if folder.exists():  # files that something cut short
            shutil.rmtree(folder, ignore_errors=True)
        made_whole(folder, "The runtime for web pages", lambda partial: _write(partial, contents))
        if tell:
            tell(release.size, release.size)
    return WebRuntime(module=folder / release.module.name, wasm=folder / release.wasm.name)


def _is_right(folder: Path, release: Release) -> bool:
    try:
        paths = [(part, folder / part.name) for part in release.parts]
        return all(path.stat().st_size == part.size and file_hash(path) == part.sha256 for part, path in paths)
    except OSError:
        return False


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _fetched(place: Path, release: Release, tell: OnProgress | None) -> dict[str, bytes]:
    named = os.environ.get(MIRROR_VARIABLE)
    if named and named.startswith(("http://", "https://")):
        return _from_address(named, place, release, tell)
    if named:
        return _from_folder(written_path(named), release)
    with contextlib.suppress(_NpmError):
        return _from_npm(place, release)
    return _from_address(f"{MIRROR}/{release.package}/dist", place, release, tell)


def _from_folder(folder: Path, release: Release) -> dict[str, bytes]:
    if not _is_right(folder, release):
        raise WeightsError(
            f"The folder {folder.name} that {MIRROR_VARIABLE} names does not hold {release.module.name} and "
            f"{release.wasm.name} of {release.package}: copy them there again, or unset the variable."
        )
    return {part.name: (folder / part.name).read_bytes() for part in release.parts}


def _from_address(base: str, place: Path, release: Release, tell: OnProgress | None) -> dict[str, bytes]:
    done = 0
    try:
        for part in release.parts:
            told = _after(done, release.size, tell) if tell else None
            address = f"{base.rstrip('/')}/{part.name}"
            download(address, place / part.name, sha256_prefix=part.sha256, on_progress=told)
            done += part.size
    except DownloadError as error:
        raise WeightsError(
            f"A page that needs no server takes {release.package}, which is not here, and {error}: run `python -m "
            f"tl_engine export --fetch-runtime` on a machine with a network, and copy the folder {release.folder} of "
            "its cache into the cache of this one.",
            "Pages that need no server cannot be made here just now: the program that runs them is missing.",
        ) from None
    return {part.name: (place / part.name).read_bytes() for part in release.parts}


def _after(before: int, total: int, tell: OnProgress) -> OnProgress:
    return lambda here, _total: tell(before + here, total)


def _from_npm(place: Path, release: Release) -> dict[str, bytes]:
    """Both files out of npm's package. Raises _NpmError where npm is not there or has something else."""
    npm = shutil.which("npm")
    if npm is None:
        raise _NpmError("npm is not installed")
    for options, seconds in NPM_TRIES:
        command = [npm, "pack", release.package, "--ignore-scripts", "--loglevel=error", *options]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, cwd=place, timeout=seconds, check=True, capture_output=True)
            for archive in place.glob("*.tgz"):
                return _unpacked(archive, release)
    raise _NpmError("npm has not got the package")


def _unpacked(archive: Path, release: Release) -> dict[str, bytes]:
    """Both files by their names; nothing is unpacked to a path. Raises _NpmError for any other archive."""
    content = archive.read_bytes() if archive.stat().st_size <= MOST_PACKED else b""
    if f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}" != release.integrity:
        raise _NpmError("what npm brought is not the published package")
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            return {part.name: _member(tar, part) for part in release.parts}
    except (tarfile.TarError, OSError, EOFError, KeyError):
        raise _NpmError("npm's package cannot be read") from None


def _member(tar: tarfile.TarFile, part: Part) -> bytes:
    file = tar.extractfile(f"package/dist/{part.name}")
    content = file.read(part.size + 1) if file else b""
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise _NpmError(f"{part.name} in npm's package is not the published one")
    return content

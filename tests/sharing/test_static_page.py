"""The files of a page without a server: whole or not at all, nobody's replaced, nothing breaks out of its place."""

import base64
import errno
import gzip
import hashlib
import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tl_engine.base.errors import DataError
from tl_engine.photos.square import FITS, INTERPOLATIONS, Square
from tl_engine.sharing import static_page
from tl_engine.sharing.static_page import write_page, write_single
from tl_engine.sharing.web_runtime import WebRuntime

NASTY = "</script><b>&amp;</b><!-- \u2028 {{body}}"
ABOUT: dict[str, Any] = {
    "format": 1,
    "title": f"ants {NASTY}",
    "classes": ["ants", NASTY],
    "model": "model.onnx",
    "side": 224,
    "square": {"resize": 256, "crop": 224, "interpolation": "bicubic", "fit": "crop", "colour": [124, 116, 104]},
    "short_side": 512,
    "least_sure": 0.6,
    "least_likeness": None,
    "sentence": "146 of 153 photos right",
    "verified": None,
}


def source_in(folder: Path, **changed: Any) -> Path:
    folder.mkdir()
    (folder / "classifier.json").write_text(json.dumps(ABOUT | changed))
    (folder / "model.onnx").write_bytes(b"a network" * 1_000)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return source_in(tmp_path / "source")


@pytest.fixture
def runtime(tmp_path: Path) -> WebRuntime:
    (tmp_path / "runtime.mjs").write_text("export const env = {};")
    (tmp_path / "runtime.wasm").write_bytes(bytes(range(256)) * 100)
    return WebRuntime(module=tmp_path / "runtime.mjs", wasm=tmp_path / "runtime.wasm")


class Elements(html.parser.HTMLParser):
    """The elements of a page, scripts with what they hold, as a browser cuts them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.scripts and self.cdata_elem == "script":
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))


def test_a_folder_holds_all_that_a_page_needs(source: Path, runtime: WebRuntime, tmp_path: Path) -> None:
    written = write_page(source, tmp_path / "page", runtime)
    assert {path.name for path in written} == {
        "LICENSE", "LICENSE-onnxruntime.txt", "classifier.html", "classifier.json", "classify.js", "index.html",
        "model.onnx", "ort-wasm-simd-threaded.wasm", "ort.wasm.bundle.min.mjs", "pillow.js", "png.js", "reading.js",
        "style.css",
    }  # fmt: skip
    assert (tmp_path / "page" / "model.onnx").read_bytes() == (source / "model.onnx").read_bytes()
    assert "{{" not in (tmp_path / "page" / "index.html").read_text().replace("{{body}}", "")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_one_file_holds_the_network_and_the_runtime(source: Path, runtime: WebRuntime, tmp_path: Path) -> None:
    scripts = {
        a.get("id"): text
        for a, text in Elements(write_single(source, tmp_path / "a.html", runtime).read_text()).scripts
    }
    unpacked = {name: gzip.decompress(base64.b64decode(scripts[name])) for name in ("ort", "wasm", "model")}
    files = {"ort": runtime.module, "wasm": runtime.wasm, "model": source / "model.onnx"}
    assert unpacked == {name: path.read_bytes() for name, path in files.items()}
    assert json.loads(scripts["classifier"]) == ABOUT


def test_no_name_breaks_out_of_its_place(source: Path, runtime: WebRuntime, tmp_path: Path) -> None:
    write_page(source, tmp_path / "page", runtime)
    for page in ("index.html", "classifier.html"):
        elements = Elements((tmp_path / "page" / page).read_text())
        assert "b" not in elements.tags
        assert elements.tags.count("script") == {"index.html": 2, "classifier.html": 5}[page]


def test_scripts_and_styles_are_those_that_the_policy_names(source: Path, runtime: WebRuntime, tmp_path: Path) -> None:
    write_page(source, tmp_path / "page", runtime)
    for page in ("index.html", "classifier.html"):
        text = (tmp_path / "page" / page).read_text()
        policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0]
        runs = [t for a, t in Elements(text).scripts if a.get("type") in (None, "module") and "src" not in a]
        runs += re.findall(r"<style>(.*)</style>", text, re.DOTALL)
        hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in runs}
        assert set(re.findall(r"'sha256-[^']+'", policy)) == hashes
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe-inline" not in policy
        assert "http" not in policy


def test_nothing_of_ours_names_another_host() -> None:
    texts = "".join(path.read_text() for path in static_page.PAGE.iterdir())
    assert re.findall(r"https?://[^\s\"'`]+", texts) == []


def test_an_earlier_page_is_replaced(source: Path, runtime: WebRuntime, tmp_path: Path) -> None:
    write_page(source, tmp_path / "page", runtime)
    other = source_in(tmp_path / "other", classes=["cats"], model="cats.onnx")
    (other / "model.onnx").rename(other / "cats.onnx")
    names = {path.name for path in write_page(other, tmp_path / "page", runtime)}
    assert "cats.onnx" in names
    assert "model.onnx" not in names
    assert write_single(source, tmp_path / "a.html", runtime) == write_single(other, tmp_path / "a.html", runtime)


def test_what_is_no_earlier_page_is_never_replaced(source: Path, runtime: WebRuntime, tmp_path: Path) -> None:
    page = tmp_path / "page"
    write_page(source, page, runtime)
    (page / "my-notes.txt").write_text("mine")
    homes = tmp_path / "homes"
    homes.mkdir()
    (homes / "index.html").write_text("<h1>mine</h1>")
    for folder in (page, homes, homes / "index.html"):
        with pytest.raises(DataError, match="holds something else than an earlier page: name another folder"):
            write_page(source, folder, runtime)
    with pytest.raises(DataError, match=r"index\.html is there already and is no page"):
        write_single(source, homes / "index.html", runtime)
    assert (homes / "index.html").read_text() == "<h1>mine</h1>"
    assert (page / "my-notes.txt").read_text() == "mine"


def test_an_empty_folder_is_filled(source: Path, runtime: WebRuntime, tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    assert write_page(source, tmp_path / "page", runtime)


@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_is_a_sentence_and_leaves_what_was(
    earlier: bool, source: Path, runtime: WebRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    if earlier:
        write_page(source, place / "page", runtime)
        write_single(source, place / "a.html", runtime)
    place.mkdir(exist_ok=True)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    sentence = r"could not be written \(No space left on device\): make room or name another place\.$"
    with pytest.raises(DataError, match=f"The page page {sentence}"):
        write_page(source, place / "page", runtime)
    with pytest.raises(DataError, match=rf"The page a\.html {sentence}"):
        write_single(source, place / "a.html", runtime)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"format": 2}, "is not of format 1"),
        ({"model": "../model.onnx"}, "is not beside"),
        ({"model": "index.html"}, "is not beside"),
        ({"model": "other.onnx"}, "is not beside"),
        ({"model": None}, "is not beside"),
        ({"classes": []}, "names no classes"),
        ({"classes": [1]}, "names no classes"),
    ],
)
def test_a_source_that_is_none_is_refused(
    changed: dict[str, Any], reason: str, tmp_path: Path, runtime: WebRuntime
) -> None:
    source = source_in(tmp_path / "source", **changed)
    with pytest.raises(DataError, match=rf"{reason}.*: export the classifier again\.$"):
        write_page(source, tmp_path / "page", runtime)
    (source / "classifier.json").unlink()
    with pytest.raises(DataError, match=r"classifier\.json of source cannot be read"):
        write_single(source, tmp_path / "a.html", runtime)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_script_resizes_as_pillow_does(fit: str, interpolation: str) -> None:
    """Byte for byte; tests/browser has real files in a real browser."""
    random = np.random.default_rng(3)
    how = Square(resize=70, crop=64, interpolation=interpolation, fit=fit, colour=(124, 116, 104))
    pictures = [Image.fromarray(random.integers(0, 256, (h, w, 3), np.uint8)) for w, h in sizes(random)]
    cases = [{"size": p.size, "data": base64.b64encode(p.tobytes()).decode()} for p in pictures]
    plan = {"resize": 70, "crop": 64, "interpolation": interpolation, "fit": fit, "colour": [124, 116, 104]}
    script = """
      import { readFileSync } from "node:fs";
      const { cases, plan, code } = JSON.parse(readFileSync(0, "utf8"));
      const { square } = await import("data:text/javascript;base64," + code);
      console.log(JSON.stringify(cases.map(({ size, data }) => Buffer.from(square(
        { width: size[0], height: size[1], data: new Uint8Array(Buffer.from(data, "base64")) }, plan
      ).data).toString("base64"))));"""
    code = base64.b64encode((static_page.PAGE / "pillow.js").read_bytes()).decode()
    told = json.dumps({"cases": cases, "plan": plan, "code": code})
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=60, check=True)
    views = [base64.b64decode(text) for text in json.loads(done.stdout)]
    assert views == [how.view(picture).tobytes() for picture in pictures]


def sizes(random: np.random.Generator) -> list[tuple[int, int]]:
    """Widths and heights: chosen at random, and those where halves are rounded."""
    return [(64, 64), (71, 71), (8, 200), (200, 8), (129, 64), *map(tuple, random.integers(8, 300, (8, 2)).tolist())]

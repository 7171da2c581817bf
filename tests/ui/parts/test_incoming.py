"""No call of the page opens a file that was not uploaded to it, whichever function it is for."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tl_engine.base.settings import Settings
from tl_engine.workspaces.classifier_pool import ClassifierPool
from ui.page import build_page
from ui.parts.incoming import arrived, named_files


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    place = tmp_path_factory.mktemp("page")
    settings = Settings(runs=place / "runs", data_dir=place / "data", uploads=place / "uploads", cache=place / "cache")
    return build_page(settings, ClassifierPool(settings))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    return tmp_path / "gradio"


def kept(folder: Path, content: bytes = b"photo") -> Path:
    file = folder / hashlib.sha256(content).hexdigest() / "a photo.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def hostile(folder: Path, tmp_path: Path) -> list[Any]:
    """Paths that a client may name, and none of which it uploaded."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"the host's")
    mine = kept(folder)
    link, fifo, handed = mine.parent / "link.jpg", mine.parent / "fifo.jpg", folder / "made-zip" / "x" / "a.zip"
    link.symlink_to(secret)
    os.mkfifo(fifo)
    handed.parent.mkdir(parents=True)
    handed.write_bytes(b"somebody's classifier")
    outside = mine.parent / ".." / ".." / ".." / "secret.jpg"
    return [str(p) for p in (secret, link, fifo, handed, outside, mine.parent, folder)] + [
        "/proc/self/fd/0", "/proc/self/environ", "/etc/hostname", "relative.jpg", "", "\0", "http://localhost/a.jpg",
        "https://example.com/a.jpg", "file:///etc/hostname", 7, ["a"], {"path": "/etc/hostname"},
    ]  # fmt: skip


def test_only_what_was_uploaded_counts_as_arrived(folder: Path, tmp_path: Path) -> None:
    assert [path for path in hostile(folder, tmp_path) if arrived(path)] == []
    assert arrived(str(next(folder.glob("*/a photo.jpg"))))


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}], ids=["without meta", "with meta"])
def test_every_function_of_the_page_refuses_a_foreign_file_in_one_sentence(
    page: gr.Blocks, folder: Path, tmp_path: Path, meta: dict[str, Any]
) -> None:
    secret = hostile(folder, tmp_path)[0]
    shapes: list[Any] = [{"path": secret} | meta, [{"path": secret} | meta], [{"image": {"path": secret} | meta}],
                         {"value": {"path": secret} | meta}]  # fmt: skip
    said, tried = set(), 0
    for function in page.fns.values():
        for place in range(len(function.inputs)):
            for shape in shapes:
                inputs: list[Any] = [None] * len(function.inputs)
                inputs[place] = shape
                with pytest.raises(gr.Error) as refused:
                    asyncio.run(page.preprocess_data(function, inputs, None, False))
                said.add(str(refused.value))
                tried += 1
    assert len(said) == 1
    assert secret not in said.pop()
    assert tried > 100


def test_files_are_found_however_deep_they_are_named() -> None:
    nested = {"a": [{"b": ({"path": "x"}, {"path": None})}], "path": "y"}
    assert list(named_files(nested)) == ["y", "x"]
    assert list(named_files(["path", 3, None, {"url": "data:,"}])) == []


def test_what_was_uploaded_passes(page: gr.Blocks, folder: Path) -> None:
    function = next(f for f in page.fns.values() if f.api_name == "predict")
    file = kept(folder)
    sent = {"path": str(file), "meta": {"_type": "gradio.FileData"}}
    values = asyncio.run(page.preprocess_data(function, [sent, "imagenet"], None, False))
    assert [Path(values[0]).name, values[1]] == ["a photo.jpg", "imagenet"]

"""The second export on a frozen backbone: without torch, and still what the app says, with another head too."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.exported import Exported
from tl_engine.base.errors import RunError
from tl_engine.base.progress import watched
from tl_engine.classifiers.predictor import Predictor
from tl_engine.graphs.traced import said_by_exported
from tl_engine.sharing.bundle import Source
from tl_engine.sharing.export import Destinations, export

pytestmark = pytest.mark.usefixtures("one_thread")
WITHOUT_TORCH = """
import sys
from tl_engine.__main__ import main
code = main(sys.argv[1:])
sys.exit(code or (9 if "torch" in sys.modules else 0))
"""


@pytest.fixture
def mine(exported: Exported, tmp_path: Path) -> Exported:
    """A copy of that installation, with its photos."""
    shutil.copytree(exported.place, tmp_path / "mine")
    copy = dataclasses.replace(exported, place=tmp_path / "mine", photos=tmp_path / "mine" / "photos")
    manifest = copy.run.manifest
    manifest.write_text(manifest.read_text().replace(str(exported.photos), str(copy.photos)))
    return copy


@pytest.fixture
def another(mine: Exported) -> Path:
    """The same training with another head and temperature, whose answers are others."""
    run = mine.settings.runs / "another"
    shutil.copytree(mine.run.folder, run)
    tensors = load_file(run / "best" / "model.safetensors")
    random = np.random.default_rng(0)
    for name, tensor in tensors.items():
        tensors[name] = (0.01 * random.standard_normal(tensor.shape) - 0.5 * tensor).astype(np.float32)
    save_file(tensors, run / "best" / "model.safetensors")
    meta = json.loads((run / "best" / "meta.json").read_text())
    (run / "best" / "meta.json").write_text(json.dumps(meta | {"temperature": 1.9}))
    return run / "best"


def remembered(best: Path, mine: Exported) -> bool:
    source = Source.of(best, mine.settings)
    photos = sorted((mine.photos / "val").rglob("*.jpg"))
    return source.remembered(photos) is not None


def test_it_reaches_no_torch_and_agrees_with_the_app(mine: Exported, another: Path, tmp_path: Path) -> None:
    folders = ["--runs", str(mine.settings.runs), "--cache-dir", str(mine.settings.cache)]
    command = [sys.executable, "-c", WITHOUT_TORCH, "export", "another", "--out", str(tmp_path / "a.zip"), "--json"]
    done = subprocess.run([*command, *folders], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)["verified"]
    assert verified["photos"] == verified["same_class"] == verified["same_verdict"] == 8
    assert 0 < verified["largest_difference"] < 1e-4
    assert [found["photos"] for found in verified["variants"].values()] == [8, 8, 8, 8]
    shutil.unpack_archive(tmp_path / "a.zip", tmp_path / "a")
    predictor = Predictor.load(another, mine.settings)
    photos = sorted((mine.photos / "val").rglob("*.jpg"))
    pixels = [np.asarray(predictor.preprocess.view(predictor.open(photo))) for photo in photos]
    app = predictor.of_views(np.stack(pixels))
    first = Predictor.load(mine.run.best, mine.settings).of_views(np.stack(pixels))
    assert (app.argmax(1) != first.argmax(1)).any()
    said, _ = said_by_exported(tmp_path / "a" / "model.pt2", pixels)
    np.testing.assert_allclose(said, app, atol=1e-4)
    program = [sys.executable, "-B", "predict.py", "--json", *map(str, photos)]
    lines = subprocess.run(program, cwd=tmp_path / "a", capture_output=True, text=True, check=True).stdout.splitlines()
    for line, photo in zip(lines, photos, strict=True):
        answer, meant = json.loads(line), predictor.answer(predictor.open(photo))
        assert answer["verdict"] == meant.verdict
        assert answer["probabilities"] == pytest.approx(meant.probabilities, abs=1e-4)


def test_nobodys_head_is_kept(exported: Exported) -> None:
    whole = (exported.run.best / "model.safetensors").read_bytes()
    (weight,) = (tensor for tensor in load_file(exported.run.best / "model.safetensors").values() if tensor.ndim == 2)
    assert weight.tobytes() in whole
    kept = list((exported.settings.cache / "graphs").iterdir())
    assert len(kept) == 4
    assert not [file.name for file in kept if weight[0, :50].tobytes() in file.read_bytes()]
    assert weight[0, :50].tobytes() in (exported.folder / "model.onnx").read_bytes()


def test_what_was_not_seen_before_is_looked_at(mine: Exported, another: Path) -> None:
    assert remembered(another, mine)
    photo = next((mine.photos / "val" / "temple").glob("*.jpg"))
    Image.new("RGB", (300, 300), "teal").save(photo)
    assert not remembered(another, mine)


def test_a_head_of_other_classes_is_recorded_anew(mine: Exported, another: Path) -> None:
    tensors = load_file(another / "model.safetensors")
    save_file({name: np.concatenate([t, t[:1]]) for name, t in tensors.items()}, another / "model.safetensors")
    meta = json.loads((another / "meta.json").read_text())
    assert not remembered(another, mine)  # three rows for two classes
    (another / "meta.json").write_text(json.dumps(meta | {"classes": [*meta["classes"], "third"]}))
    assert not remembered(another, mine)


@pytest.mark.parametrize("damage", ["2-classes.pt2", "by-app", "by-program", "onnx"])
def test_a_damaged_memory_is_none(mine: Exported, another: Path, damage: str) -> None:
    (file,) = (mine.settings.cache / "graphs").glob(f"*.{damage}")
    file.write_bytes(file.read_bytes()[:-1])
    source = Source.of(another, mine.settings)
    assert (source.graph() is None) == (damage == "onnx")
    assert remembered(another, mine) == (damage == "onnx")


def test_the_program_is_not_recorded_again_for_other_photos(
    mine: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tl_engine.graphs import traced

    for photo in (mine.photos / "val").rglob("*.jpg"):
        with Image.open(photo) as image:
            turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turned.save(photo)
    monkeypatch.setattr(traced, "recorded", lambda _: pytest.fail("it was recorded again"))
    told: dict[str, Any] = watched(export(mine.run.best, mine.settings, Destinations(zip=tmp_path / "again.zip")), id)
    assert told["verified"]["same_class"] == told["verified"]["variants"]["pt2"]["same_class"] == 8


@pytest.mark.parametrize(
    "spoil", [lambda _: b"hello", lambda whole: whole[:-9], lambda whole: whole[:-4] + b"\0\0\xc0\x7f"]
)
def test_a_damaged_head_is_a_sentence(
    spoil: Callable[[bytes], bytes], another: Path, mine: Exported, tmp_path: Path
) -> None:
    file = another / "model.safetensors"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(RunError, match=r"model\.safetensors"):
        watched(export(another, mine.settings, Destinations(zip=tmp_path / "out.zip")), id)
    assert not (tmp_path / "out.zip").exists()


def test_a_backbone_that_learnt_leaves_nothing(mine: Exported) -> None:
    meta = json.loads((mine.run.best / "meta.json").read_text())
    (mine.run.best / "meta.json").write_text(json.dumps(meta | {"learned": "all"}))
    source = Source.of(mine.run.best, mine.settings)
    assert source.kept is None
    assert source.graph() is None

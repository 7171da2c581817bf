"""A bundle: what is in it, that its own program says what the app says, and that nothing half-made is left."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from tests.exported import Exported
from tests.house.test_docs import documented
from tl_engine.base.errors import RunError
from tl_engine.base.events import Progress
from tl_engine.base.progress import watched
from tl_engine.classifiers.predictor import Predictor
from tl_engine.graphs import kept
from tl_engine.graphs.graph import Tensors
from tl_engine.sharing import export as exports
from tl_engine.sharing import verify
from tl_engine.sharing.export import Destinations, export
from tl_engine.sharing.verify import DisagreementError

pytestmark = pytest.mark.usefixtures("one_thread")


def ask(folder: Path, *arguments: object) -> tuple[int, list[dict[str, Any]], str]:
    """What the bundle's own program says in a fresh process: exit code, its json lines, stderr."""
    command = [sys.executable, "-E", "-s", "-B", "predict.py", *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_it_holds_all_that_a_person_needs(exported: Exported) -> None:
    names = {path.name for path in exported.folder.iterdir()}
    assert {"model.onnx", "model-float16.onnx", "model.pt2", "model.safetensors", "meta.json", "labels.txt",
            "classifier.json", "predict.py", "LICENSE", "verified.json"} <= names  # fmt: skip
    assert {entry["name"] for entry in exported.told["files"]} == names
    assert (exported.folder / "labels.txt").read_text().splitlines() == exported.facts["classes"]
    sizes = [(exported.folder / name).stat().st_size for name in ("model.onnx", "model-float16.onnx")]
    assert sizes[1] < 0.6 * sizes[0]


def test_it_is_stamped_with_what_was_found(exported: Exported) -> None:
    verified = exported.told["verified"]
    assert (verified["photos"], verified["same_class"]) == (8, 8)
    assert 0 < verified["largest_difference"] < 1e-4
    assert set(verified["variants"]) == {"float32", "float16", "int8", "pt2"}
    assert json.loads((exported.folder / "verified.json").read_text()) == verified
    assert [event.stage for event in exported.events if isinstance(event, Progress)][-1] == "writing it"


def test_what_it_says_of_itself_is_documented(exported: Exported) -> None:
    assert set(documented("What an export says of itself")) == set(exported.facts)


def test_its_program_says_what_the_app_says_of_any_picture(exported: Exported, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    photos = []
    for number, (size, mode) in enumerate([((700, 1400), "RGB"), ((1600, 1200), "L"), ((90, 300), "RGBA"),
                                           ((1800, 1700), "P"), ((64, 64), "CMYK")]):  # fmt: skip
        spots = Image.fromarray(random.integers(0, 256, (5, 6, 4), np.uint8), "RGBA").resize(size).convert(mode)
        path = tmp_path / f"{number}.{'jpg' if mode in ('RGB', 'L', 'CMYK') else 'png'}"
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 0 else 1
        spots.save(path, **({"exif": exif, "quality": 95} if path.suffix == ".jpg" else {}))
        photos.append(path)
    code, said, _ = ask(exported.folder, *photos)
    assert code == 0
    predictor = Predictor.load(exported.run.best, exported.settings)
    for path, answer in zip(photos, said, strict=True):
        app = predictor.answer(predictor.open(path))
        assert answer["verdict"] == app.verdict
        for name, probability in app.probabilities.items():
            assert abs(answer["probabilities"][name] - probability) < 1e-4, path


def test_a_bad_photo_is_named_and_the_others_go_on(exported: Exported, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture at all")
    good = next((exported.photos / "val" / "temple").iterdir())
    code, said, _ = ask(exported.folder, bad, tmp_path / "absent.png", good)
    assert code == 1
    assert [sorted(line)[0] for line in said] == ["error", "error", "file"]
    assert all("Traceback" not in line.get("error", "") for line in said)
    assert said[0]["error"].startswith("bad.jpg")


def test_its_program_needs_no_more_than_it_says(exported: Exported) -> None:
    code = "import sys, predict; print(sorted(m for m in sys.modules if '.' not in m))"
    command = [sys.executable, "-E", "-s", "-B", "-c", code]
    done = subprocess.run(command, cwd=exported.folder, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert {"onnxruntime", "numpy", "PIL"} <= loaded
    assert not loaded & {"torch", "tl_engine", "onnx", "scipy", "safetensors"}


def test_python_reads_it_with_torch_alone(exported: Exported) -> None:
    network = torch.export.load(exported.folder / "model.pt2").module()
    pixels = torch.randint(0, 256, (3, 3, exported.facts["side"], exported.facts["side"]), dtype=torch.uint8)
    with torch.no_grad():
        assert network(pixels).sum(1).numpy() == pytest.approx(np.ones(3), abs=1e-5)
        assert network(pixels[:1]).shape == (1, 2)


def test_an_export_that_disagrees_is_not_written(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of another classifier: what a stale graph would be."""
    put = kept.with_head

    def turned(graph: onnx.ModelProto, head: Tensors) -> bool:
        return put(graph, {name: -tensor for name, tensor in head.items()})

    monkeypatch.setattr(kept, "with_head", turned)
    with pytest.raises(DisagreementError) as refused:
        watched(export(exported.run.best, exported.settings, Destinations(zip=tmp_path / "out.zip")), id)
    assert "nothing was written" in str(refused.value)
    assert list(tmp_path.iterdir()) == []
    assert list((exported.settings.cache / "exports").iterdir()) == []


def test_lite_is_a_sentence_where_its_package_is_absent(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(RunError, match="litert-torch"):
        watched(export(exported.run.best, exported.settings, Destinations(zip=tmp_path / "out.zip", lite=True)), id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("litert_torch") is None, reason="litert-torch is an extra")
def test_lite_says_what_the_app_says(exported: Exported, tmp_path: Path) -> None:
    told = watched(export(exported.run.best, exported.settings, Destinations(zip=tmp_path / "out.zip", lite=True)), id)
    assert told["verified"]["variants"]["tflite"]["same_class"] == 8
    assert told["verified"]["variants"]["tflite"]["largest_difference"] < 1e-4


@pytest.mark.slow
def test_a_smaller_copy_that_disagrees_is_left_out_and_says_why(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "why_left_out", lambda _: "too far")
    told = watched(export(exported.run.best, exported.settings, Destinations(zip=tmp_path / "out.zip")), id)
    assert {e["name"] for e in told["files"] if e["name"].startswith("model")} == {"model.onnx", "model.safetensors"}
    assert told["verified"]["variants"]["int8"]["left_out"] == "too far"


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports.zipfile, "ZipFile", full)
    with pytest.raises(RunError, match="the disk is full"):
        watched(export(exported.run.best, exported.settings, Destinations(zip=tmp_path / "out.zip")), id)
    assert list(tmp_path.iterdir()) == []
    assert list((exported.settings.cache / "exports").iterdir()) == []


@pytest.mark.slow
def test_a_fine_tuned_classifier_is_whole_and_says_unlike(exported: Exported, tmp_path: Path) -> None:
    """It is judged by the backbone as it was before it learnt: both are in the graph."""
    from tl_engine.api import train
    from tl_engine.runs.config import TrainConfig

    data = exported.photos
    config = TrainConfig(data=str(data), strategy="fine-tuning", epochs=1, learning_rate=1e-3)
    for _ in train(config, name="tuned", settings=exported.settings):
        pass
    best = exported.settings.runs / "tuned" / "best"
    told = watched(export(best, exported.settings, Destinations(zip=tmp_path / "tuned.zip")), id)
    assert told["verified"]["same_verdict"] == told["verified"]["photos"] == 8
    shutil.unpack_archive(tmp_path / "tuned.zip", tmp_path / "tuned")
    predictor = Predictor.load(best, exported.settings)
    assert predictor.frozen
    assert predictor.reference
    seen = np.array(predictor.preprocess.view(Image.effect_noise((200, 200), 120).convert("RGB")))[None]
    session = onnxruntime.InferenceSession(tmp_path / "tuned" / "model.onnx")
    likeness = session.run(["likeness"], {"pixels": np.ascontiguousarray(seen.transpose(0, 3, 1, 2))})[0]
    features = predictor.look(seen).features
    assert likeness[0] == pytest.approx(float(predictor.reference.nearest(features)[0].mean()), abs=2e-3)


@pytest.mark.slow
def test_any_class_name_is_text(exported: Exported, tmp_path: Path) -> None:
    names = ["# *x* | `y`, <b>=1+1</b>", "../名前 ✓"]
    best = tmp_path / "runs" / "odd" / "best"
    shutil.copytree(exported.run.best, best)
    meta = json.loads((best / "meta.json").read_text())
    (best / "meta.json").write_text(json.dumps(meta | {"classes": names}))
    watched(export(best, exported.settings, Destinations(zip=tmp_path / "odd.zip")), id)
    shutil.unpack_archive(tmp_path / "odd.zip", tmp_path / "odd")
    assert (tmp_path / "odd" / "labels.txt").read_text(encoding="utf-8").splitlines() == names
    photo = next((exported.photos / "val" / "temple").iterdir())
    _, (said,), _ = ask(tmp_path / "odd", photo)
    assert set(said["probabilities"]) == set(names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd", "odd.zip", "runs"]


def test_no_photo_is_named_in_it(exported: Exported) -> None:
    """Strangers get it; the photos' names and the folder they lay in are nobody's business."""
    photos = exported.photos
    names = {path.stem for path in photos.rglob("*.jpg")}
    for path in exported.folder.iterdir():
        content = path.read_bytes()
        assert str(photos).encode() not in content, path.name
        assert exported.run.name.encode() not in content, path.name
        assert not [name for name in names if f"{name}.jpg".encode() in content], path.name

"""Photos of every kind that a page without a server takes, and a small network whose answers differ between them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

from tests.house.test_layout import PROJECT
from tl_engine.networks.preprocessing import Preprocess

CLASSES = ("ants", "bees", "</script><b>bold</b>", "cats & dogs")
SIDE = 96
SHARED = PROJECT.parent / "shared" / "data" / "hymenoptera" / "val"  # used where it is


def scene(random: np.random.Generator, width: int, height: int, most_shapes: int = 12, grain: int = 20) -> Image.Image:
    """Soft colours, sharp shapes and noise: what resampling, JPEG and a network each react to."""
    soft = Image.fromarray(random.integers(0, 256, (6, 6, 3)).astype(np.uint8)).resize((width, height))
    draw = ImageDraw.Draw(soft)
    for _ in range(int(random.integers(most_shapes // 4, most_shapes + 1))):
        left, right = sorted(random.integers(0, width, 2).tolist())
        top, bottom = sorted(random.integers(0, height, 2).tolist())
        draw.ellipse((left, top, right, bottom), fill=tuple(random.integers(0, 256, 3).tolist()))
    noise = random.integers(-grain, grain + 1, (height, width, 1))
    return Image.fromarray((np.asarray(soft).astype(int) + noise).clip(0, 255).astype(np.uint8))


def write_photos(folder: Path) -> list[Path]:
    """More than thirty photos, all of them made here."""
    folder.mkdir()
    random = np.random.default_rng(5)
    for width, height in [(500, 375), (333, 500), (97, 64), (512, 512), (700, 690), (900, 640), (1020, 1023)]:
        scene(random, width, height).save(folder / f"plain-{width}x{height}.jpg", quality=90)
    for width, height in [(1100, 1050), (1300, 2000), (2600, 2200)]:  # as large photos are: soft at the single pixel
        scene(random, width, height, most_shapes=0, grain=5).save(folder / f"soft-{width}x{height}.jpg", quality=90)
        scene(random, width, height).save(folder / f"edges-{width}x{height}.jpg", quality=90)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        scene(random, 720, 600).save(folder / f"held-{orientation}.jpg", exif=exif, quality=90)
    scene(random, 400, 300).convert("L").save(folder / "grey.jpg")
    alpha = Image.fromarray(random.integers(0, 256, (360, 480)).astype(np.uint8))
    picture = scene(random, 480, 360)
    clear = picture.copy()
    clear.putalpha(alpha)
    clear.save(folder / "alpha.png")
    clear.putalpha(0)
    clear.save(folder / "nobody-set-alpha.png")
    picture.save(folder / "rgb.png")
    picture.quantize(64).save(folder / "palette.png", transparency=bytes(random.integers(0, 256, 64).tolist()))
    picture.convert("L").save(folder / "grey.png", transparency=120)
    picture.convert("1").save(folder / "black-and-white.png")
    Image.fromarray(random.integers(0, 65536, (200, 300)).astype(np.uint16)).save(folder / "deep.png")
    scene(random, 1900, 1700).save(folder / "large.png")
    scene(random, 60, 900).save(folder / "long.png")
    picture.save(folder / "lossless.webp", lossless=True)
    picture.save(folder / "moving.gif", save_all=True, append_images=[scene(random, 480, 360)])
    picture.save(folder / "windows.bmp")
    return sorted(folder.iterdir())


def real_photos() -> list[Path]:
    """Some of a public data set, where it lies beside the project."""
    return sorted(SHARED.rglob("*.jpg"))[::7]


def views(photos: list[Path], how: Preprocess) -> np.ndarray:
    """What the program shows the network, (N, 3, side, side) bytes."""
    made = [np.asarray(how.view(how.open(path))).transpose(2, 0, 1) for path in photos]
    return np.ascontiguousarray(np.stack(made))


def write_model(path: Path, pixels: np.ndarray) -> None:
    """Random filters, standardised over these photos so that logits really differ, about 3 between photos."""
    random = np.random.default_rng(0)
    fixed = {
        "scale": np.float32(1 / 127.5),
        "shift": np.float32(-1),
        "first": random.normal(0, 0.12, (12, 3, 5, 5)).astype(np.float32),
        "second": random.normal(0, 0.12, (24, 12, 3, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["input"]),
        helper.make_node("Conv", ["input", "first"], ["a"], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    save(path, nodes, fixed, {"features": 24})
    features = run(path, pixels)["features"]
    # Along what really varies, as a trained head does: one of random numbers would see nothing but its own rounding.
    varies = np.linalg.svd(features - features.mean(0))[2][: len(CLASSES) + 1].T
    head = varies @ random.normal(0, 1, (len(CLASSES) + 1, len(CLASSES) + 1))
    head *= 3 / (features @ head).std(0)
    fixed |= {"head": head.astype(np.float32), "bias": -(features @ head).mean(0).astype(np.float32)}
    fixed |= {"parts": np.array([len(CLASSES), 1]), "axis": np.array([1])}
    nodes += [
        helper.make_node("Gemm", ["features", "head", "bias"], ["all"]),
        helper.make_node("Split", ["all", "parts"], ["logits", "last"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Squeeze", ["last", "axis"], ["alone"]),
        helper.make_node("Sigmoid", ["alone"], ["likeness"]),
    ]
    save(path, nodes, fixed, {"probabilities": len(CLASSES), "likeness": None})


def save(path: Path, nodes: list[Any], fixed: dict[str, Any], outputs: dict[str, int | None]) -> None:
    """Write a graph from uint8 pixels to these outputs."""
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"] + ([width] if width else []))
        for name, width in outputs.items()
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 3, SIDE, SIDE])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in fixed.items()]
    graph = helper.make_graph(nodes, "small", [pixels], described, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))


def run(path: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Its outputs by name, in onnxruntime."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pixels}), strict=True))


def about(how: Preprocess, **changed: Any) -> dict[str, Any]:
    """classifier.json of that network."""
    square = how.square
    return {
        "format": 1,
        "title": "ants & <i>bees</i>",
        "classes": list(CLASSES),
        "model": "model.onnx",
        "side": SIDE,
        "square": {
            "resize": square.resize,
            "crop": square.crop,
            "interpolation": square.interpolation,
            "fit": square.fit,
            "colour": list(square.colour),
        },
        "short_side": how.short_side,
        "least_sure": 0.6,
        "least_likeness": 0.2,
        "sentence": "146 of 153 photos right",
        "verified": {"photos": 153, "same_class": 153, "largest_difference": 3e-6},
    } | changed


def write_source(folder: Path, how: Preprocess, pixels: np.ndarray, **changed: Any) -> Path:
    """A folder that a page is made of."""
    folder.mkdir(parents=True)
    write_model(folder / "model.onnx", pixels)
    (folder / "classifier.json").write_text(json.dumps(about(how, **changed)))
    return folder


def verdicts(answers: dict[str, np.ndarray], said: dict[str, Any]) -> Iterator[str]:
    """By the rules of classifier.json."""
    for probabilities, likeness in zip(answers["probabilities"], answers["likeness"], strict=True):
        unsure = "not sure" if probabilities.max() < said["least_sure"] else "ok"
        yield "unlike" if likeness < said["least_likeness"] else unsure

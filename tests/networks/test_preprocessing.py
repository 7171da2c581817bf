"""The preprocessing numbers: those of the libraries, to the last digit, and nonsense refused."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torchvision.models import get_model_weights

from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, ROWS, get_architecture
from tl_engine.base.errors import WeightsError
from tl_engine.data.dataset import Record
from tl_engine.networks.preprocessing import SHRINK, Preprocess, preprocess_for
from tl_engine.runs.config import AUGMENTATIONS
from tl_engine.training.batches import FeatureBatches, Photos, PhotoStore, photo_batches

pytestmark = pytest.mark.usefixtures("one_thread")

CAFFE = {
    "resize": 256,
    "crop": 224,
    "interpolation": "bilinear",
    "channels": "bgr",
    "scale": 255,
    "mean": [104, 117, 123],
    "std": [1, 1, 1],
}
SIZES = [(500, 375), (375, 500), (301, 233), (64, 64), (511, 257), (640, 480), (100, 512), (256, 256)]


def picture(width: int, height: int) -> Image.Image:
    """Noise over a gradient, so that a shift by one pixel or another interpolation shows."""
    noise = np.random.default_rng(width * height).integers(0, 128, (height, width, 3))
    ramp = np.linspace(0, 127, width)[None, :, None] * np.array([1.0, 0.5, 0.25])
    return Image.fromarray((noise + ramp).astype(np.uint8))


@pytest.mark.parametrize("row", [row for row in ROWS if row.library == "torchvision"], ids=lambda row: row.name)
def test_a_picture_becomes_what_torchvision_makes_of_it(row: Any) -> None:
    theirs, ours = get_model_weights(row.builder)[row.weights].transforms(), preprocess_for(row)
    for size in SIZES[:3]:
        torch.testing.assert_close(ours(picture(*size)), theirs(picture(*size)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "inception_v3"])
def test_pictures_of_every_shape_become_what_torchvision_makes_of_them(name: str, size: tuple[int, int]) -> None:
    row = ARCHITECTURES[name]
    theirs = get_model_weights(row.builder)[str(row.weights)].transforms()
    torch.testing.assert_close(preprocess_for(row)(picture(*size)), theirs(picture(*size)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", [DEFAULT_ARCHITECTURE, "timm:resnet10t", "timm:mobilenetv3_small_050"])
def test_a_picture_becomes_what_timm_makes_of_it(name: str, size: tuple[int, int]) -> None:
    row = get_architecture(name)
    published = timm.get_pretrained_cfg(row.builder)
    assert published is not None
    theirs = create_transform(**resolve_data_config(pretrained_cfg=published.to_dict()), is_training=False)
    torch.testing.assert_close(preprocess_for(row)(picture(*size)), theirs(picture(*size)), atol=1e-4, rtol=0)


def test_numbers_of_the_default_are_not_imagenets() -> None:
    half = (0.5, 0.5, 0.5)
    expected = Preprocess(resize=256, crop=224, interpolation="bicubic", mean=half, std=half)
    assert preprocess_for(ARCHITECTURES[DEFAULT_ARCHITECTURE]) == expected


def test_the_small_vgg_sees_the_whole_short_side() -> None:
    numbers = preprocess_for(ARCHITECTURES["small_vgg"])
    assert (numbers.resize, numbers.crop) == (64, 64)
    assert numbers(picture(500, 375)).shape == (3, 64, 64)


def test_caffes_numbers_are_blue_first_and_up_to_255() -> None:
    orange = Image.new("RGB", (300, 256), (250, 120, 10))
    tensor = Preprocess.from_dict(CAFFE)(orange)
    assert tensor.shape == (3, 224, 224)
    assert tensor.dtype == torch.float32
    expected = torch.tensor([10 - 104.0, 120 - 117.0, 250 - 123.0])
    torch.testing.assert_close(tensor, expected[:, None, None].expand(3, 224, 224), atol=1e-4, rtol=0)


def test_white_and_black_are_scaled_as_the_numbers_say() -> None:
    numbers = Preprocess(resize=8, crop=8, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    white, black = (numbers(Image.new("RGB", (8, 8), colour))[:, 0, 0] for colour in ("white", "black"))
    torch.testing.assert_close(white, torch.tensor([1.0, 3.0, 0.5]))
    torch.testing.assert_close(black, torch.tensor([-1.0, -1.0, 0.0]))


@pytest.mark.parametrize("numbers", [CAFFE, preprocess_for(ARCHITECTURES["inception_v3"]).to_dict()])
def test_numbers_come_back_from_json(numbers: dict[str, Any]) -> None:
    assert Preprocess.from_dict(json.loads(json.dumps(numbers))).to_dict() == {"fit": "crop"} | numbers


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("crop", 7),
        ("crop", 257),
        ("crop", 224.5),
        ("crop", "224"),
        ("resize", 2049),
        ("resize", None),
        ("interpolation", "nearest"),
        ("interpolation", ["bilinear"]),
        ("channels", "hsv"),
        ("scale", 0),
        ("scale", -1),
        ("scale", "255"),
        ("scale", math.nan),
        ("mean", [1, 2]),
        ("mean", "abc"),
        ("mean", 3),
        ("mean", [math.nan, 0, 0]),
        ("mean", [None, 0, 0]),
        ("std", [1, 1, 0]),
        ("std", [1, -1, 1]),
        ("std", [1, 1, 1, 1]),
        ("std", []),
        ("std", [1, math.inf, 1]),
        ("colour", "rgb"),
    ],
)
def test_nonsense_is_refused(key: str, value: Any) -> None:
    with pytest.raises(WeightsError, match=r"^Preprocessing ") as refused:
        Preprocess.from_dict({**CAFFE, key: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", ["resize", "crop", "mean", "std"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(WeightsError, match=rf"needs the keys .*{key}.*'{key}'"):
        Preprocess.from_dict({k: v for k, v in CAFFE.items() if k != key})


def test_a_hosts_json_wins(tmp_path: Path) -> None:
    override = tmp_path / "resnet18.json"
    override.write_text(json.dumps(CAFFE))
    assert preprocess_for(ARCHITECTURES["resnet18"], override) == Preprocess.from_dict(CAFFE)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"resize"'])
def test_a_damaged_json_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    override = tmp_path / "resnet18.json"
    override.write_text(text)
    with pytest.raises(WeightsError, match=r"resnet18\.json|needs the keys") as refused:
        preprocess_for(ARCHITECTURES["resnet18"], override)
    assert "\n" not in str(refused.value)


def test_a_large_picture_is_shrunk_when_opened_never_below_what_the_network_needs(tmp_path: Path) -> None:
    picture(1500, 1200).save(tmp_path / "large.png")
    small, large = Preprocess(resize=256, crop=224), Preprocess(resize=800, crop=800)
    assert small.open(tmp_path / "large.png").size == (SHRINK * 1500 // 1200, SHRINK)
    assert large.open(tmp_path / "large.png").size == (1000, 800)


NUMBERS = Preprocess.from_dict(CAFFE | {"resize": 40, "crop": 32})


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_training_pictures_have_the_shape_of_evaluation_ones(augmentation: str) -> None:
    tensor = NUMBERS.training_transform(augmentation)(picture(60, 50))
    assert tensor.shape == (3, 32, 32)
    assert tensor.dtype == torch.float32
    assert -124 < tensor.min() < tensor.max() < 152  # Caffe's numbers, in augmented pictures too


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_augmentation_draws_anew_and_repeats_with_the_seed(augmentation: str) -> None:
    transform, image = NUMBERS.training_transform(augmentation), picture(60, 50)
    torch.manual_seed(1)
    first, second = transform(image), transform(image)
    assert torch.equal(first, second) is (augmentation == "none")
    torch.manual_seed(1)
    assert torch.equal(transform(image), first)


def test_without_augmentation_training_sees_what_evaluation_sees() -> None:
    assert torch.equal(NUMBERS.training_transform("none")(picture(60, 50)), NUMBERS(picture(60, 50)))


def photos(folder: Path, count: int) -> Photos:
    records = []
    for index in range(count):
        path = folder / f"{index}.png"
        Image.new("RGB", (40, 40), (index, 0, 0)).save(path)
        records.append(Record(path, index, "train"))
    return Photos(records, PhotoStore(NUMBERS, "none"))


@pytest.mark.parametrize(("count", "size", "sizes"), [(5, 4, [4]), (6, 4, [4, 2]), (4, 4, [4]), (3, 1, [1, 1, 1])])
def test_a_last_training_batch_of_one_is_dropped(tmp_path: Path, count: int, size: int, sizes: list[int]) -> None:
    batches = photo_batches(photos(tmp_path, count), size, workers=0, order=torch.Generator())
    assert [len(labels) for _, labels in batches] == sizes
    assert len(batches) == len(sizes)


def test_evaluation_sees_every_picture_once_and_in_order(tmp_path: Path) -> None:
    batches = list(photo_batches(photos(tmp_path, 5), 4, workers=0))
    assert torch.cat([labels for _, labels in batches]).tolist() == [0, 1, 2, 3, 4]
    assert torch.cat([images for images, _ in batches]).shape == (5, 3, 32, 32)


def test_training_batches_are_shuffled_by_the_seed(tmp_path: Path) -> None:
    dataset = photos(tmp_path, 12)

    def order(seed: int) -> list[int]:
        batches = photo_batches(dataset, 4, workers=0, order=torch.Generator().manual_seed(seed))
        return torch.cat([labels for _, labels in batches]).tolist()

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == list(range(12))


def test_feature_batches_draw_one_view_of_each_picture() -> None:
    features = torch.arange(3)[:, None, None] * 100.0 + torch.arange(10)[None, :, None]  # view * 100 + picture
    batches = FeatureBatches(features, torch.arange(10), 4, order=torch.Generator().manual_seed(0))
    assert len(batches) == 3
    epochs = [[torch.cat(part) for part in zip(*batches, strict=True)] for _ in range(2)]
    for inputs, labels in epochs:
        assert sorted(labels.tolist()) == list(range(10))
        assert torch.equal(inputs[:, 0] % 100, labels.float())
    assert not torch.equal(epochs[0][0], epochs[1][0])
    assert len(set((torch.cat([e[0] for e in epochs]) // 100).flatten().tolist())) == 3


def test_feature_batches_without_a_seed_are_the_plain_view_in_order() -> None:
    features = torch.arange(10.0).reshape(2, 5, 1)
    inputs, labels = (torch.cat(part) for part in zip(*FeatureBatches(features, torch.arange(5), 2), strict=True))
    assert inputs.flatten().tolist() == [0, 1, 2, 3, 4]
    assert labels.tolist() == [0, 1, 2, 3, 4]

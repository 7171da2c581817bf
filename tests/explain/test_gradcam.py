"""Which part of a picture speaks for a class: where it is known the map's peak is there, and every family has a map."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, get_architecture
from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.data.scan import scan
from tl_engine.explain.explained import explain, overlaid, sentence
from tl_engine.explain.gradcam import HeatMap, heat_map
from tl_engine.explain.occlusion import STEPS, occlusion
from tl_engine.networks.models import build_model, head_of
from tl_engine.runs.config import TrainConfig
from tl_engine.training.trainer import Training, train

pytestmark = pytest.mark.usefixtures("one_thread")

# Sides (pixels) at which the last map of a family is 4 places wide; 128 for the others.
SIDES = {"alexnet": 95, "small_vgg": 64, "inception_v3": 203, "squeezenet1_0": 80, "squeezenet1_1": 80,
         "vit_b_16": 224, "timm:vit_tiny_patch16_224": 224}  # fmt: skip
QUADRANTS = {"upper left": (0, 0), "upper right": (0, 1), "lower left": (1, 0), "lower right": (1, 1)}
RED, BLUE, NOBODY = 0, 1, 2
CLASSES = 12


class Colours(nn.Module):
    """A network that can be read: one channel is how red each place is, one how blue; nothing speaks for the third."""

    def __init__(self) -> None:
        super().__init__()
        self.colour = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        self.head = nn.Linear(2, 3)
        with torch.no_grad():
            self.colour.weight.zero_()
            self.colour.weight[RED, 0] = self.colour.weight[BLUE, 2] = 1 / 16
            self.head.weight.copy_(torch.tensor([[1.0, -0.2], [-0.2, 1.0], [-1.0, -1.0]]))
            self.head.bias.zero_()
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.colour(images).relu().mean((2, 3)))
        return logits


def spotted(quadrant: str, channel: int = 0, side: int = 32) -> Tensor:
    """A dark picture (1, 3, S, S) with one bright quadrant."""
    row, column = (part * side // 2 for part in QUADRANTS[quadrant])
    images = torch.full((1, 3, side, side), 0.05)
    images[0, channel, row : row + side // 2, column : column + side // 2] = 1
    return images


def in_quadrant(found: HeatMap, quadrant: str) -> bool:
    across, down = found.peak
    return (int(down > 0.5), int(across > 0.5)) == QUADRANTS[quadrant]


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_the_peak_is_where_the_evidence_is(quadrant: str) -> None:
    model = Colours()
    found = heat_map(model, model.head, spotted(quadrant), RED)
    assert in_quadrant(found, quadrant)
    assert found.values.shape == (8, 8)
    assert found.values.max() == 1
    row, column = (4 * part for part in QUADRANTS[quadrant])
    inside = found.values[row : row + 4, column : column + 4].sum() / found.values.sum()
    assert inside > 0.8


class Laid(nn.Module):
    """How red and how blue each place is, in one of the layouts that networks have."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout
        self.weight = nn.Parameter(Colours().colour.weight.detach(), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        found = functional.conv2d(images, self.weight, stride=4).relu()
        if self.layout == "channels first":
            return found
        if self.layout == "channels last":
            return found.permute(0, 2, 3, 1)
        tokens = found.flatten(2).transpose(1, 2)
        return torch.cat([tokens.flip(1)[:, : int(self.layout[0])], tokens], 1)


class InLayout(nn.Module):
    """The same network, whose one map lies in that layout."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.laid, self.head = Laid(layout), Colours().head

    def forward(self, images: Tensor) -> Tensor:
        found = self.laid(images)
        axes = {"channels first": (2, 3), "channels last": (1, 2)}.get(self.laid.layout, (1,))
        logits: Tensor = self.head(found.mean(axes))
        return logits


@pytest.mark.parametrize("layout", ["channels first", "channels last", "0 tokens before", "1 token before", "5 before"])
@pytest.mark.parametrize("quadrant", ["upper right", "lower left"])
def test_a_map_is_found_in_any_layout(layout: str, quadrant: str) -> None:
    model = InLayout(layout)
    found = heat_map(model, model.head, spotted(quadrant), RED)
    assert found.values.shape == (8, 8)
    assert in_quadrant(found, quadrant)
    assert in_quadrant(heat_map(model, model.head, spotted(quadrant, channel=2), BLUE), quadrant)


def test_another_class_has_its_evidence_elsewhere() -> None:
    model = Colours()
    both = torch.maximum(spotted("upper left"), spotted("lower right", channel=2))
    assert in_quadrant(heat_map(model, model.head, both, RED), "upper left")
    assert in_quadrant(heat_map(model, model.head, both, BLUE), "lower right")


def test_a_class_that_nothing_speaks_for_has_an_empty_map_and_a_sentence() -> None:
    model = Colours()
    found = heat_map(model, model.head, spotted("upper left"), NOBODY)
    assert found.empty
    assert sentence(found, "bees") == "No part of the photo speaks for bees."
    view = Image.new("RGB", (32, 32), (10, 20, 30))
    assert np.array_equal(np.asarray(overlaid(view, found)), np.asarray(view))


def test_a_frozen_network_is_as_it_was_afterwards() -> None:
    model = Colours()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = spotted("upper left")
    with torch.inference_mode(False), torch.no_grad():
        heat_map(model, model.head, images, RED)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert not images.requires_grad


def test_hooks_are_gone_when_the_network_fails() -> None:
    model = Colours()
    with pytest.raises(RuntimeError):
        heat_map(model, model.head, torch.zeros(1, 5, 32, 32), RED)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ARCHITECTURES, "timm:resnet10t", "timm:vit_tiny_patch16_224"])
def test_every_family_has_a_map(name: str) -> None:
    torch.manual_seed(0)
    row, side = get_architecture(name), SIDES.get(name, 128)
    model = build_model(row, CLASSES, None).eval().requires_grad_(False)
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    maps = (heat_map(model, head_of(model, row), images, label) for label in range(CLASSES))
    found = next(found for found in maps if not found.empty)  # of random weights nothing may speak for one of them
    height, width = found.values.shape
    assert height == width >= 4
    assert np.isfinite(found.values).all()
    assert found.values.min() >= 0
    assert found.values.max() == pytest.approx(1)


def spot(row: int, column: int, size: int = 12) -> HeatMap:
    values = np.zeros((size, size), np.float32)
    values[row, column] = 1
    return HeatMap(values)


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [
        (3, 3, "upper left"),
        (2, 6, "upper centre"),
        (5, 8, "middle right"),
        (6, 6, "middle centre"),
        (9, 5, "lower centre"),
    ],
)
def test_a_sentence_tells_the_place(row: int, column: int, place: str) -> None:
    assert sentence(spot(row, column), "bees") == f"Most speaks for bees in the {place}."


def test_evidence_at_the_border_is_told_and_even_evidence_is_not() -> None:
    assert "lies mostly at the border" in sentence(spot(0, 6), "bees")
    assert "border" not in sentence(spot(6, 6), "bees")
    even = HeatMap(np.ones((12, 12), np.float32))
    assert even.at_border() == pytest.approx(1)
    assert "border" not in sentence(even, "bees")
    assert HeatMap(np.zeros((12, 12), np.float32)).at_border() == 0


def by_colours(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the readable network says of bytes (N, H, W, 3)."""
    with torch.no_grad():
        said = Colours()(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    probabilities: NDArray[np.float32] = said.softmax(1).numpy()
    return probabilities


def bytes_of(images: Tensor) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = (images[0].permute(1, 2, 0) * 255).to(torch.uint8).numpy()
    return found


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_hiding_the_evidence_costs_most(quadrant: str) -> None:
    pixels = bytes_of(spotted(quadrant, side=56))
    untouched = pixels.copy()
    found = occlusion(by_colours, pixels, RED)
    assert found.values.shape == (STEPS, STEPS)
    assert found.values.max() == 1
    assert in_quadrant(found, quadrant)
    assert np.array_equal(pixels, untouched)


def test_hiding_what_does_not_matter_leaves_an_empty_map() -> None:
    pixels = np.zeros((56, 56, 3), np.uint8)
    found = occlusion(lambda copies: np.full((len(copies), 3), 1 / 3, np.float32), pixels, RED)
    assert found.empty


def photo(quadrant: str, colour: tuple[int, int, int], seed: int) -> Image.Image:
    """A noisy grey photo with one coloured square in a quadrant."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 140, (224, 224, 3))
    top, left = (20 + 112 * part + int(random.integers(0, 36)) for part in QUADRANTS[quadrant])
    pixels[top : top + 48, left : left + 48] = colour + random.integers(-20, 20, (48, 48, 3))
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A real classifier that learnt red squares from green ones, wherever they were."""
    place: Path = tmp_path_factory.mktemp("explained")
    settings = Settings(
        runs=place / "runs", data_dir=place / "data", backbones=place / "backbones", cache=place / "cache"
    )
    for label, colour in (("red", (220, 40, 40)), ("green", (40, 220, 40))):
        (place / "squares" / label).mkdir(parents=True)
        for number in range(8):
            picture = photo(list(QUADRANTS)[number % 4], colour, number)
            picture.save(place / "squares" / label / f"{number}.png")
    config = TrainConfig.from_options({"data": str(place / "squares"), "epochs": 12})
    data = scan(place / "squares", settings.limits)
    list(train(Training(config=config, data=data, folder=settings.runs / "run", settings=settings)))
    assert config.architecture == DEFAULT_ARCHITECTURE
    return Predictor.load(settings.runs / "run" / "best", settings)


@pytest.mark.parametrize("quadrant", QUADRANTS)
def test_a_real_classifier_looks_at_the_thing(taught: Predictor, quadrant: str) -> None:
    found = explain(taught, photo(quadrant, (220, 40, 40), 99))
    assert found.class_name == "red"
    assert found.peak is not None
    across, down = found.peak
    assert (int(down > 0.5), int(across > 0.5)) == QUADRANTS[quadrant]
    assert found.picture.size == (taught.preprocess.crop, taught.preprocess.crop)
    assert found.sentence.startswith("Most speaks for red in the ")


@pytest.mark.slow
def test_a_real_classifier_is_explained_by_hiding_too(taught: Predictor) -> None:
    picture = photo("upper left", (220, 40, 40), 99)
    found = explain(taught, picture, by_hiding=True)
    assert (found.class_name, found.picture.size) == ("red", (taught.preprocess.crop, taught.preprocess.crop))
    assert found.peak != explain(taught, picture).peak
    assert found.sentence


def test_another_class_can_be_asked_for_and_one_that_is_none_is_refused(taught: Predictor) -> None:
    picture = photo("upper left", (220, 40, 40), 99)
    assert explain(taught, picture, "green").class_name == "green"
    with pytest.raises(ConfigError, match="it knows green, red"):
        explain(taught, picture, "wasps")

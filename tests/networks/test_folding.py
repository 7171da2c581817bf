"""A folded network says what the whole one says, for every row; what cannot be folded is left as it is."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tl_engine.backbones.architectures import ARCHITECTURES, get_architecture
from tl_engine.networks.folding import folded
from tl_engine.networks.models import build_model, main_logits

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 3
# The smallest pictures (pixels) that a family takes; 32 for the others.
SIDES = {"inception_v3": 75}
NO_NORM_LEFT = ("resnet18", "mobilenet_v2", "efficientnet_lite0")
# Without such a norm; these are built without numbers, which would take seconds.
WITHOUT = ("alexnet", "squeezenet1_0", "squeezenet1_1", "convnext_tiny", "vit_b_16", "swin_t", "vgg16", "vgg16_blog",
           "small_vgg")  # fmt: skip
WITH = (*(name for name in ARCHITECTURES if name not in WITHOUT), "timm:resnet10t")
SIDE = 16  # of the networks made by hand


def norms(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def used(model: nn.Module) -> nn.Module:
    """The model as a training leaves it: norms that scale and shift, each channel otherwise."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for norm in norms(model):
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0, 0.2, generator=random)
            norm.running_var.uniform_(0.5, 2, generator=random)
            if norm.affine:
                norm.weight.uniform_(0.5, 1.5, generator=random)
                norm.bias.normal_(0, 0.2, generator=random)
    return model.eval().requires_grad_(False)


def pictures(side: int, count: int = 2) -> Tensor:
    """Others than the one that folding looks at."""
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def alike(one: nn.Module, other: nn.Module, side: int) -> bool:
    with torch.no_grad():
        before, after = main_logits(one(pictures(side))), main_logits(other(pictures(side)))
    return bool((after - before).abs().max() <= 1e-4 * before.abs().max())


def convolution(channels: int = 3, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(channels, 4, 3, padding=1, bias=bias)


class Pooled(nn.Module):
    """A body with a head behind it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(4, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images).mean((2, 3)))
        return logits


def network(body: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return used(Pooled(body()))


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH)
def test_every_family_says_the_same_folded_and_stays_itself(name: str) -> None:
    torch.manual_seed(0)
    model, side = used(build_model(get_architecture(name), CLASSES, None)), SIDES.get(name, 32)
    state = {path: tensor.clone() for path, tensor in model.state_dict().items()}
    found = folded(model, side)
    assert found is not model
    assert alike(model, found, side)
    assert len(norms(found)) < len(norms(model))
    if name in NO_NORM_LEFT:
        assert not norms(found)
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(tensor, state[path]) for path, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", WITHOUT)
def test_a_family_without_norms_comes_back_as_it_is(name: str) -> None:
    with torch.device("meta"):  # it is not even run
        model = build_model(get_architecture(name), CLASSES, None)
    assert not norms(model)
    assert folded(model, 32) is model


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_goes_into_the_convolution_before_it(bias: bool, affine: bool) -> None:
    model = network(lambda: nn.Sequential(convolution(bias=bias), nn.BatchNorm2d(4, affine=affine), nn.ReLU()))
    found = folded(model, SIDE)
    assert alike(model, found, SIDE)
    assert not norms(found)


def test_strides_groups_and_depthwise_convolutions_are_folded() -> None:
    model = network(
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 8, 3, groups=8, dilation=2), nn.BatchNorm2d(8), nn.Hardswish(),
            nn.Conv2d(8, 4, 1, groups=2), nn.BatchNorm2d(4),
        )
    )  # fmt: skip
    found = folded(model, SIDE)
    assert alike(model, found, SIDE)
    assert not norms(found)


class Twice(nn.Module):
    """What the convolution gives goes through the norm and past it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = convolution(), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.convolution(images)
        normed: Tensor = self.norm(found)
        return normed + found.relu()


class TwoNorms(nn.Module):
    """What the convolution gives goes into two norms."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.convolution, self.one, self.other = convolution(channels), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        found = self.convolution(images)
        summed: Tensor = self.one(found) + self.other(found).relu()
        return summed


class Again(nn.Module):
    """One convolution runs twice, with a norm behind each of them; or one norm behind two convolutions."""

    def __init__(self, channels: int = 3, *, shared_norm: bool) -> None:
        super().__init__()
        self.one, self.norm = convolution(channels), nn.BatchNorm2d(4)
        self.other = convolution(channels) if shared_norm else self.one
        self.other_norm = self.norm if shared_norm else nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        summed: Tensor = self.norm(self.one(images)) + self.other_norm(self.other(images.flip(1))).relu()
        return summed


@pytest.mark.parametrize(
    "body",
    [
        Twice,
        TwoNorms,
        lambda: Again(shared_norm=True),
        lambda: Again(shared_norm=False),
        lambda: nn.Sequential(convolution(), nn.ReLU(), nn.BatchNorm2d(4)),
        lambda: nn.Sequential(convolution(), nn.ReLU(inplace=True), nn.BatchNorm2d(4)),
        lambda: nn.Sequential(nn.BatchNorm2d(3), convolution()),
    ],
    ids=["twice", "two norms", "a norm of two", "a convolution of two", "relu between", "relu in place", "norm first"],
)
def test_a_norm_that_cannot_go_into_its_convolution_stays(body: Callable[[], nn.Module]) -> None:
    model = network(body)
    found = folded(model, SIDE)
    assert alike(model, found, SIDE)
    assert len(norms(found)) == len(norms(model))


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (lambda: nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), 1),
        (lambda: TwoNorms(4), 2),
        (lambda: Again(4, shared_norm=True), 1),
        (lambda: Again(4, shared_norm=False), 2),
    ],
    ids=["norm of a norm", "two norms", "a norm of two", "a convolution of two"],
)
def test_what_can_be_folded_beside_what_cannot_is_folded(body: Callable[[], nn.Module], left: int) -> None:
    model = network(lambda: nn.Sequential(convolution(), nn.BatchNorm2d(4), nn.ReLU(), body()))
    found = folded(model, SIDE)
    assert alike(model, found, SIDE)
    assert len(norms(found)) == left == len(norms(model)) - 1


def test_a_norm_that_measures_each_batch_stays() -> None:
    torch.manual_seed(0)
    model = Pooled(nn.Sequential(convolution(), nn.BatchNorm2d(4, track_running_stats=False))).eval()
    found = folded(model, SIDE)
    assert alike(model, found, SIDE)
    assert len(norms(found)) == 1


class NormAndAct(nn.BatchNorm2d):
    """A norm with its activation inside, as timm's are."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.SiLU()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.act(self.drop(super().forward(images)))
        return found


def test_the_activation_inside_a_norm_stays() -> None:
    model = network(lambda: nn.Sequential(convolution(), NormAndAct(4)))
    found = folded(model, SIDE)
    assert alike(model, found, SIDE)
    assert not norms(found)
    assert any(isinstance(module, nn.SiLU) for module in found.modules())


def test_a_model_that_is_learning_is_not_changed_by_it() -> None:
    model = network(lambda: nn.Sequential(convolution(), nn.BatchNorm2d(4)))
    twin = copy.deepcopy(model)
    model.train().requires_grad_(True)
    folded(model, SIDE)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    pairs = zip(model.state_dict().values(), twin.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)

"""Every column of the table, derived again from the libraries (on the meta device, where a family costs nothing)."""

import functools

import pytest
import torch
from torch import nn
from torchvision.models import WeightsEnum, get_model_builder, get_model_weights

from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, ROWS, Architecture, get_architecture
from tl_engine.backbones.weights import TORCHVISION_URL
from tl_engine.base.errors import ConfigError
from tl_engine.networks.small_vgg import SmallVGG

TORCHVISION_ROWS = [row for row in ROWS if row.library == "torchvision"]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
every_torchvision_row = pytest.mark.parametrize("row", TORCHVISION_ROWS, ids=lambda row: row.name)


@functools.cache
def as_published(name: str) -> nn.Module:
    """The library's own model with 1,000 classes, without its numbers."""
    row = ARCHITECTURES[name]
    with torch.device("meta"):
        if row.library == "timm":
            import timm

            return timm.create_model(row.builder)
        if row.library == "tl_engine":
            return SmallVGG()
        inception = {"init_weights": False} if "inception" in row.builder else {}
        return get_model_builder(row.builder)(weights=None, **inception)


def published_weights(row: Architecture) -> WeightsEnum:
    return get_model_weights(row.builder)[str(row.weights)]


@pytest.mark.parametrize("row", [row for row in ROWS if row.name != "vgg16_blog"], ids=lambda row: row.name)
def test_head_is_the_last_linear_or_convolution(row: Architecture) -> None:
    layers = [name for name, m in as_published(row.name).named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    assert row.head == layers[-1]


def test_head_of_the_blogs_vgg_is_the_whole_classifier() -> None:
    names = [name for name, _ in as_published("vgg16_blog").named_children()]
    assert ARCHITECTURES["vgg16_blog"].head == names[-1]


def test_timm_names_the_head_as_the_row_does() -> None:
    row = ARCHITECTURES["efficientnet_lite0"]
    assert as_published(row.name).pretrained_cfg["classifier"] == row.head


@every_row
def test_auxiliary_head_is_the_other_layer_with_1000_outputs(row: Architecture) -> None:
    layers = as_published(row.name).named_modules()
    heads = [name for name, m in layers if isinstance(m, nn.Linear) and m.out_features == 1000]
    # SqueezeNet's head is a convolution, and the blog's replaces more than the last layer.
    extra = [name for name in heads if not name.startswith(str(row.head))]
    assert extra == ([row.auxiliary_head] if row.auxiliary_head else [])


@every_row
def test_parameters_are_counted_right(row: Architecture) -> None:
    assert row.parameters == sum(p.numel() for p in as_published(row.name).parameters())


@every_torchvision_row
def test_parameters_are_those_that_torchvision_publishes(row: Architecture) -> None:
    assert row.parameters == published_weights(row).meta["num_params"]


@every_torchvision_row
def test_weights_are_torchvisions_default_ones(row: Architecture) -> None:
    assert published_weights(row) is get_model_weights(row.builder).DEFAULT


@every_torchvision_row
def test_file_and_megabytes_are_those_of_the_download(row: Architecture) -> None:
    weights = published_weights(row)
    assert TORCHVISION_URL + str(row.file) == weights.url
    assert row.megabytes == round(weights.meta["_file_size"], 1)


@every_torchvision_row
def test_image_size_is_the_crop_of_the_weights(row: Architecture) -> None:
    assert [row.image_size] == published_weights(row).transforms().crop_size


def test_numbers_of_the_default_are_timms() -> None:
    import timm

    published = as_published(DEFAULT_ARCHITECTURE).pretrained_cfg
    row = ARCHITECTURES[DEFAULT_ARCHITECTURE]
    assert published["input_size"] == (3, row.image_size, row.image_size)
    assert published["license"] == row.licence.lower()
    assert timm.get_pretrained_cfg(row.builder).hf_hub_id == row.hub


def test_megabytes_of_the_default_are_those_of_its_package() -> None:
    from tl_engine.backbones.weights import _packaged

    row = ARCHITECTURES[DEFAULT_ARCHITECTURE]
    path = _packaged(str(row.package))
    assert path is not None
    assert row.megabytes == round(path.stat().st_size / 2**20, 1)


def test_only_the_small_vgg_has_nothing_pretrained() -> None:
    assert [row.name for row in ROWS if not row.pretrained] == ["small_vgg"]


def test_names_and_labels_are_unique() -> None:
    assert len(ARCHITECTURES) == len({row.label for row in ROWS}) == len(ROWS)


def test_a_timm_name_makes_a_row() -> None:
    row = get_architecture("timm:resnet10t")
    assert (row.name, row.library, row.builder, row.head) == ("timm:resnet10t", "timm", "resnet10t", None)
    assert row.pretrained


@pytest.mark.parametrize(
    "name",
    [
        "timm:hf-hub:someone/model",
        "timm:local-dir:/etc",
        "hf-hub:someone/model",
        "local-dir:.",
        "timm:hf_hub:someone",
        "timm:../x",
        "timm:",
        "timm:resnet10t\n",
        "timm:" + "x" * 81,
        "",
    ],
)
def test_names_that_reach_for_other_peoples_files_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="Unknown architecture"):
        get_architecture(name)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'resnet-18': choose resnet18, .*timm:NAME"):
        get_architecture("resnet-18")
    with pytest.raises(ConfigError, match=f"'zzz': choose {DEFAULT_ARCHITECTURE}, "):
        get_architecture("zzz")

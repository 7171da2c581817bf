"""A network takes its own weights whatever wraps them, and says whose the others are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet34, shufflenet_v2_x0_5

from tl_engine.backbones.architectures import ARCHITECTURES
from tl_engine.backbones.weights import load_weights
from tl_engine.base.errors import EngineError, WeightsError
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.networks.models import blank_model
from tl_engine.networks.pretrained import build_pretrained, check_pretrained

RESNET, SQUEEZENET = ARCHITECTURES["resnet18"], ARCHITECTURES["squeezenet1_1"]
State = dict[str, Tensor]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "host").mkdir()
    return replace(settings, weights_dir=tmp_path / "host")


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    return blank_model(RESNET).state_dict()


def under(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def zeros(make: Callable[[], nn.Module]) -> State:
    """Tensors by the names and of the shapes of a network, made without its random numbers."""
    with torch.device("meta"):
        outline = make().state_dict()
    return {name: torch.zeros(tensor.shape) for name, tensor in outline.items()}


def put(content: object, settings: Settings, name: str = "resnet18.pth") -> None:
    assert settings.weights_dir is not None
    torch.save(content, settings.weights_dir / name)


def refusal(settings: Settings) -> str:
    with pytest.raises(WeightsError) as refused:
        check_pretrained(RESNET, settings)
    assert "resnet18.pth" in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "backbone.", "module.net.encoder."],
)
def test_a_wrappers_prefix_is_taken_off(settings: Settings, state: State, prefix: str) -> None:
    put({"state_dict": {**under(prefix, state), "n_averaged": torch.tensor(3), "loss.weight": torch.ones(2)}}, settings)
    check_pretrained(RESNET, settings)
    model = build_pretrained(RESNET, 3, *load_weights(RESNET, settings))
    assert torch.equal(model.conv1.weight, state["conv1.weight"])
    assert torch.equal(model.layer4[1].bn2.running_var, state["layer4.1.bn2.running_var"])


def test_layers_that_were_compiled_one_by_one_are_known(settings: Settings, state: State) -> None:
    put({name.replace("layer1.", "layer1._orig_mod."): tensor for name, tensor in state.items()}, settings)
    check_pretrained(RESNET, settings)


@pytest.mark.parametrize("classes", [2, 37])
def test_somebodys_own_head_is_no_hindrance(settings: Settings, state: State, classes: int) -> None:
    put({**state, "fc.weight": torch.zeros(classes, 512), "fc.bias": torch.zeros(classes)}, settings)
    check_pretrained(RESNET, settings)
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    put({**headless, "fc.1.weight": torch.zeros(classes, 512), "projector.0.weight": torch.zeros(2, 2)}, settings)
    check_pretrained(RESNET, settings)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("held", ["resnet50", "mobilenet_v2", "squeezenet1_1"])
def test_weights_of_another_architecture_are_named(settings: Settings, held: str, prefix: str) -> None:
    put(under(prefix, zeros(lambda: blank_model(ARCHITECTURES[held]))), settings)
    said = refusal(settings)
    assert f"resnet18.pth holds {ARCHITECTURES[held].label}, not ResNet-18" in said
    assert held in said


@pytest.mark.slow
def test_a_deeper_relative_that_has_every_name_too_is_refused(settings: Settings) -> None:
    put(zeros(resnet34), settings)
    assert "larger network" in refusal(settings)
    assert "layer1.2.conv1.weight" in refusal(settings)


def test_a_network_that_is_in_no_table_is_told_by_its_first_tensor(settings: Settings) -> None:
    put(zeros(shufflenet_v2_x0_5), settings)
    assert "the first is conv1.weight, where the file begins with conv1.0.weight" in refusal(settings)


@pytest.mark.slow
def test_a_file_that_holds_the_network_twice_is_no_guess(settings: Settings, state: State) -> None:
    put(under("student.", state) | under("teacher.", state), settings)
    assert "more than once (student., teacher.)" in refusal(settings)
    put(state | under("ema.", state), settings)  # the names as they are go first
    check_pretrained(RESNET, settings)


def test_a_json_beside_the_file_is_checked_as_early(settings: Settings, state: State) -> None:
    put(state, settings)
    assert settings.weights_dir is not None
    (settings.weights_dir / "resnet18.json").write_text("{")
    with pytest.raises(EngineError, match=r"resnet18\.json"):
        check_pretrained(RESNET, settings)


def test_predicting_says_what_a_file_holds_as_well(settings: Settings, state: State) -> None:
    put(state, settings, "squeezenet1_1.pth")
    with pytest.raises(WeightsError, match=r"squeezenet1_1\.pth holds ResNet-18, not SqueezeNet 1\.1"):
        Predictor.imagenet(settings, SQUEEZENET.name)


@pytest.mark.parametrize("kind", [torch.int8, torch.complex64, torch.bool])
def test_rounded_or_packed_numbers_are_no_weights(settings: Settings, state: State, kind: torch.dtype) -> None:
    put({**state, "conv1.weight": state["conv1.weight"].to(kind)}, settings)
    said = refusal(settings)
    assert "conv1.weight" in said
    assert str(kind).removeprefix("torch.") in said


def test_quantised_weights_are_told_before_a_run(settings: Settings, state: State) -> None:
    packed = torch.quantize_per_tensor(state["conv1.weight"], 0.1, 0, torch.qint8)
    put({**state, "conv1.weight": packed}, settings)
    assert "conv1.weight" in refusal(settings)

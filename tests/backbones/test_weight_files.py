"""Weight files as people have them are read, and what is in the others is said; no code in them runs."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tl_engine.backbones.weight_files import read_tensors
from tl_engine.base.errors import WeightsError

STATE = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.steps": torch.tensor(3)}
OTHER = {"fc.weight": torch.zeros(2, 3)}
OPTIMIZER = {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}
ARGUMENTS = argparse.Namespace(lr=0.1, data="/photos")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "resnet18.pth"


def is_state(tensors: dict[str, Tensor]) -> bool:
    return tensors.keys() == STATE.keys() and all(torch.equal(tensors[name], t) for name, t in STATE.items())


@pytest.mark.parametrize("zipped", [True, False], ids=["today's format", "torch 1.5's"])
@pytest.mark.parametrize(
    ("content", "table"),
    [
        (STATE, ""),
        ({"state_dict": STATE}, "state_dict"),
        ({"model": STATE, "args": ARGUMENTS, "optimizer": OPTIMIZER, "epoch": 3}, "model"),
        ({"model_state_dict": STATE, "optimizer_state_dict": OPTIMIZER, "loss": 0.1}, "model_state_dict"),
        ({"net": STATE, "acc": 93.2, "epoch": 200}, "net"),
        ({"state_dict": OTHER, "state_dict_ema": STATE, "arch": "resnet18"}, "state_dict_ema"),
        ({"model": {"state_dict": STATE}}, "model"),
        ({"weights_of_mine": STATE, "epoch": 3}, "weights_of_mine"),
        ({"weights_of_mine": STATE, "optimizer": OPTIMIZER}, "weights_of_mine"),
        ({**STATE, "epoch": 3, "arch": "resnet18", "note": None}, ""),
        ({"checkpoint": {"state_dict": STATE, "optimizer": OPTIMIZER}}, "checkpoint"),
        ({"checkpoint": STATE, "epoch": 3}, "checkpoint"),
    ],
)
def test_the_table_is_found_where_training_scripts_put_it(file: Path, content: Any, table: str, zipped: bool) -> None:
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    tensors, found = read_tensors(file)
    assert is_state(tensors)
    assert found == table


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin"])
def test_the_content_says_the_format_not_the_suffix(file: Path, suffix: str) -> None:
    save_file(STATE, file.with_suffix(suffix))
    assert is_state(read_tensors(file.with_suffix(suffix))[0])
    torch.save(STATE, file.with_suffix(suffix))
    assert is_state(read_tensors(file.with_suffix(suffix))[0])


def refusal(file: Path) -> str:
    with pytest.raises(WeightsError) as refused:
        read_tensors(file)
    said = str(refused.value)
    assert said.startswith(file.name)
    assert "\n" not in said
    assert str(file.parent) not in said
    assert "weights_only" not in said  # torch's own words advise to run the code
    return said


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"student": STATE, "teacher": STATE}, "student, teacher"),
        ({"epoch": 3, "lr": 0.1}, "epoch, lr"),
        ([STATE], "one list"),
        ({}, "nothing"),
        ({"fc.weight": torch.zeros(1).to_sparse()}, "fc.weight"),
    ],
)
def test_a_file_without_one_table_says_what_it_holds(file: Path, content: object, named: str) -> None:
    torch.save(content, file)
    assert f"no plain table of tensors, but {named}" in refusal(file)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_network_is_refused_by_its_name(file: Path, zipped: bool) -> None:
    torch.save({"model": nn.Linear(2, 2)}, file, _use_new_zipfile_serialization=zipped)
    assert "holds torch.nn.modules.linear.Linear, and code in it is never run" in refusal(file)


def test_a_torchscript_program_is_refused_by_its_kind(file: Path) -> None:
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(file)  # type: ignore[no-untyped-call]
    assert "TorchScript program" in refusal(file)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_numbers_that_are_not_finite_are_the_files_fault(file: Path, number: float) -> None:
    torch.save({**STATE, "layer.bias": torch.tensor([0.0, number], dtype=torch.float64)}, file)
    assert "its tensor layer.bias holds NaN or infinite numbers" in refusal(file)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1", b"abc"])
def test_what_was_never_a_weight_file_is_told(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert "is no readable weight file" in refusal(file)


def test_a_file_cut_short_is_told(file: Path) -> None:
    torch.save({"a": torch.randn(1000)}, file)
    whole = file.read_bytes()
    for part in (0.3, 0.95):
        file.write_bytes(whole[: int(len(whole) * part)])
        assert "damaged" in refusal(file)


def test_what_a_file_calls_its_tables_is_shown_without_control_characters(file: Path) -> None:
    torch.save({"\x1b[2Ja\nb": 1}, file)
    assert "?[2Ja?b" in refusal(file)


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused_at_once(file: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(10**12)}, file)
    assert "claims more numbers" in refusal(file)

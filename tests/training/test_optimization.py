"""Schedules by their values, optimisers by name, class weights by counting."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tl_engine.data.dataset import Record
from tl_engine.runs.config import SCHEDULES, TrainConfig
from tl_engine.training.optimization import make_optimizer, make_schedule, training_criterion

PEAK = 0.4


def config(**options: Any) -> TrainConfig:
    return TrainConfig.from_options({"data": "digits", **options})


def rates(name: str, epochs: int, steps: int) -> list[float]:
    """The learning rate at every step of a training."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], PEAK)
    schedule = make_schedule(optimizer, name, epochs=epochs, steps_per_epoch=steps)
    seen = []
    for _ in range(epochs * steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_constant_stays_at_its_peak() -> None:
    assert rates("constant", 3, 4) == [PEAK] * 12


def test_step_falls_to_a_tenth_every_seven_epochs() -> None:
    seen = rates("step", 22, 3)
    expected = [PEAK * 0.1 ** (epoch // 7) for epoch in range(22) for _ in range(3)]
    assert seen == pytest.approx(expected)
    assert seen[7 * 3 - 1] == pytest.approx(10 * seen[7 * 3])


def test_cosine_warms_up_peaks_and_ends_near_zero() -> None:
    seen = rates("cosine", 10, 20)
    warm = 10  # a twentieth of 200 steps
    assert seen[: warm + 1] == sorted(seen[: warm + 1])
    assert seen[0] == pytest.approx(PEAK / (warm + 1))
    assert seen[warm] == pytest.approx(PEAK)
    assert max(seen) == seen[warm]
    assert seen[warm:] == sorted(seen[warm:], reverse=True)
    assert seen[warm + 95] == pytest.approx(PEAK / 2)
    assert 0 < seen[-1] < PEAK / 1000


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (2, 1), (30, 1)])
def test_short_trainings_always_learn_something(name: str, epochs: int, steps: int) -> None:
    seen = rates(name, epochs, steps)
    assert all(0 < rate <= PEAK for rate in seen)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_an_optimiser_comes_by_name_with_its_numbers(name: str) -> None:
    parameters = list(nn.Linear(2, 2).parameters())
    optimizer = make_optimizer(parameters, config(optimizer=name, momentum=0.7, weight_decay=0.03), PEAK)
    assert type(optimizer) is {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (PEAK, 0.03)
    assert group.get("momentum", 0.7) == 0.7
    assert group["params"] == parameters


def test_only_what_learns_is_in_the_optimiser() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad_(False)
    assert make_optimizer(layer.parameters(), config(optimizer="adamw"), PEAK).param_groups[0]["params"] == [layer.bias]


def records(*counts: int) -> list[Record]:
    return [Record(Path(f"{i}.png"), label, "train") for label, count in enumerate(counts) for i in range(count)]


def test_classes_are_weighed_by_the_inverse_of_their_share() -> None:
    criterion = training_criterion(config(class_weights=True), records(6, 3, 1), 3)
    assert criterion.weight is not None
    assert criterion.weight.tolist() == pytest.approx([10 / 18, 10 / 9, 10 / 3])


def test_equal_classes_weigh_one() -> None:
    criterion = training_criterion(config(class_weights=True), records(4, 4), 2)
    assert criterion.weight is not None
    assert criterion.weight.tolist() == [1.0, 1.0]


def test_no_weights_unless_asked_and_smoothing_as_asked() -> None:
    criterion = training_criterion(config(label_smoothing=0.2), records(6, 3), 2)
    assert criterion.weight is None
    logits, labels = torch.tensor([[2.0, -1.0]]), torch.tensor([0])
    log = logits.log_softmax(1)[0]
    torch.testing.assert_close(criterion(logits, labels), -(0.9 * log[0] + 0.1 * log[1]))

"""A rate that is too high is stopped within its epoch, nothing of it is saved, and the advice is one that helps."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tl_engine.base.errors import TrainingError
from tl_engine.classifiers import saved
from tl_engine.networks.runtime import Runtime
from tl_engine.runs.config import STRATEGY_DEFAULTS, TrainConfig
from tl_engine.training import epochs
from tl_engine.training.epochs import Step, train_epoch
from tl_engine.training.phases import check_loss, phases


def config(**options: object) -> TrainConfig:
    return TrainConfig.from_options({"data": "digits", **options})


class ManyBatches:
    """An epoch of a thousand batches that counts how many were asked for."""

    asked = 0

    def __len__(self) -> int:
        return 1000

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(1000):
            self.asked += 1
            yield torch.randn(4, 3), torch.randint(2, (4,))


def test_a_diverging_epoch_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "BATCH_EVENT_SECONDS", 0.0)
    learner = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(learner.parameters(), lr=1e6)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    step, batches = Step(learner, optimizer, schedule, nn.CrossEntropyLoss()), ManyBatches()
    (phase,) = phases(config(learning_rate=1e6))
    runtime = Runtime(accelerator=Accelerator(cpu=True), precision="no", reason="", loader_workers=0)
    with pytest.raises(TrainingError, match="diverged in epoch 1"):
        list(train_epoch(step, batches, 1, phase, runtime, lambda: None))
    assert batches.asked < 20


@pytest.mark.parametrize("loss", [math.nan, math.inf, 6.6e6])
def test_an_absurd_loss_ends_the_training(loss: float) -> None:
    (phase,) = phases(config())
    with pytest.raises(TrainingError, match=r"epoch 3 \(validation loss"):
        check_loss(loss, "validation loss", 3, phase)
    check_loss(40.0, "validation loss", 3, phase)  # bad, but it may still learn


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"learning_rate": 1e6}, ["learning-rate 0.003"]),
        ({"learning_rate": 3e-3}, ["learning-rate 0.0003"]),
        ({"strategy": "fine-tuning", "learning_rate": 5e-4}, ["learning-rate 5e-05"]),
        ({"strategy": "from-scratch", "learning_rate": 10}, ["learning-rate 0.001"]),
        (
            {"strategy": "head-then-all", "head_learning_rate": 9, "learning_rate": 9},
            ["head-learning-rate 0.003", "learning-rate 0.0001"],
        ),
    ],
)
def test_the_advice_is_a_rate_that_helps_for_the_option_that_sets_it(
    options: dict[str, object], advice: list[str]
) -> None:
    for phase, rate in zip(phases(config(**options)), advice, strict=True):
        with pytest.raises(TrainingError, match=f"choose {rate};"):
            check_loss(math.inf, "mean loss", 1, phase)


def test_no_phase_is_advised_what_it_has() -> None:
    for strategy in STRATEGY_DEFAULTS:
        for phase in phases(config(strategy=strategy)):
            with pytest.raises(TrainingError) as refused:
                check_loss(math.nan, "mean loss", 1, phase)
            assert f" {phase.learning_rate:.2g};" not in str(refused.value)


def test_a_classifier_that_would_not_load_is_not_saved(tmp_path: Path) -> None:
    folder = tmp_path / "best"
    with pytest.raises(TrainingError, match="diverged"):
        saved.save(folder, {"head.weight": torch.tensor([math.nan])}, {})
    assert not folder.exists()

"""A full memory halves the batch and changes no step; whatever else goes wrong is not tried again."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import MakeImages
from tests.training.test_resume import SCRATCH, after_epoch, go_on, logged
from tests.training.test_trainer import ended, epochs, make_training
from tl_engine.base.events import Event, Note
from tl_engine.base.settings import Settings
from tl_engine.classifiers.state_file import read_state
from tl_engine.networks.runtime import Portion
from tl_engine.training import epochs as loop
from tl_engine.training.epochs import Step, evaluate

pytestmark = pytest.mark.usefixtures("one_thread")


class Tight(nn.Module):
    """A linear layer in a memory that holds a few pictures: more fill it forwards, or backwards."""

    def __init__(self, holds: int, where: str = "forward") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 3)
        self.holds, self.where = holds, where
        self.sizes: list[int] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.sizes.append(len(inputs))
        if len(inputs) > self.holds and self.where == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        outputs: Tensor = self.layer(inputs)
        if len(inputs) > self.holds and self.where == "backward":
            outputs.register_hook(self._full)
        return outputs

    @staticmethod
    def _full(_gradient: Tensor) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")


class FakeAccelerator:
    num_processes = 1

    @staticmethod
    def backward(loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    @staticmethod
    def gather_for_metrics(values: Any) -> Any:
        return values


class FakeRuntime:
    accelerator = FakeAccelerator()


RUNTIME: Any = FakeRuntime()


def batch(size: int = 13) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(size, 6), torch.randint(3, (size,))


def stepped(model: Tight, criterion: nn.Module, portion: Portion) -> tuple[Tensor, Tensor, Tensor]:
    """The weights after one step on a batch, with the loss and the number right."""
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 1.0)
    loss, right = Step(model, optimizer, schedule, criterion, portion)(*batch(), RUNTIME)
    return model.layer.weight.detach(), loss, right


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize(
    "criterion",
    [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(weight=torch.tensor([0.2, 1.0, 3.0]), label_smoothing=0.1),
    ],
    ids=["plain", "weighted"],
)
@pytest.mark.parametrize("holds", [8, 3, 1])
def test_a_step_in_parts_is_the_same_step(where: str, criterion: nn.Module, holds: int) -> None:
    whole = stepped(Tight(100), criterion, Portion())
    portion, tight = Portion(), Tight(holds, where)
    parts = stepped(tight, criterion, portion)
    assert portion.most is not None
    assert 1 <= portion.most <= holds
    for one, two in zip(whole, parts, strict=True):
        assert torch.allclose(one.float(), two.float(), atol=1e-6)
    assert min(tight.sizes[-5:]) >= min(2, holds)  # no rest of one, from which batch norm cannot learn


def test_judging_in_parts_says_the_same() -> None:
    portion = Portion()
    scores = [
        evaluate(Tight(holds), [batch(), batch(5)], RUNTIME, lambda: None, portion)
        for holds, portion in ((100, Portion()), (4, portion))
    ]
    assert scores[0].accuracy == scores[1].accuracy
    assert scores[0].loss == pytest.approx(scores[1].loss, abs=1e-6)
    assert portion.most == 3


def test_another_error_is_not_tried_again() -> None:
    class Broken(Tight):
        def forward(self, inputs: Tensor) -> Tensor:
            self.sizes.append(len(inputs))
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    model = Broken(1)
    with pytest.raises(RuntimeError, match="shapes"):
        stepped(model, nn.CrossEntropyLoss(), Portion())
    assert model.sizes == [13]


def tighten(monkeypatch: pytest.MonkeyPatch, holds: int, *, learning: bool) -> list[int]:
    """Have a whole training meet a memory that holds so few pictures where it learns, or where it is judged."""
    sizes: list[int] = []
    loss, asked = loop.classification_loss, loop._asked

    def tight_loss(outputs: Any, labels: Tensor, criterion: nn.Module) -> Tensor:
        sizes.append(len(labels))
        if learning and len(labels) > holds:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loss(outputs, labels, criterion)

    def tight_asked(learner: nn.Module, inputs: Tensor, portion: Portion) -> Tensor:
        def layer(part: Tensor) -> Tensor:
            if not learning and len(part) > holds:
                raise MemoryError
            outputs: Tensor = learner(part)
            return outputs

        return asked(layer, inputs, portion)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "classification_loss", tight_loss)
    monkeypatch.setattr(loop, "_asked", tight_asked)
    return sizes


def notes(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Note) and "memory was full" in event.message]


@pytest.mark.parametrize("learning", [True, False])
def test_a_training_in_a_tight_memory_finishes_and_says_it_in_one_line(
    learning: bool, make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training(make_images(each=10, side=64), settings, batch_size=8, epochs=2, **SCRATCH)
    sizes = tighten(monkeypatch, 2, learning=learning)
    events = list(train_events(training))
    assert ended(events).state == "finished"
    assert len(epochs(events)) == 2
    assert len(notes(events)) == 1
    assert ("Each step still learns from 8" in notes(events)[0]) is learning
    assert sizes


def train_events(training: Any) -> list[Event]:
    from tl_engine.training.trainer import train

    return list(train(training))


def test_one_photo_that_does_not_fit_ends_it_in_a_sentence(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tighten(monkeypatch, 0, learning=True)
    events = train_events(make_training(make_images(each=4, side=64), settings, batch_size=4, **SCRATCH))
    assert ended(events).state == "failed"
    assert ended(events).reason.startswith("The memory is full, even with one photo at a time")


def test_who_goes_on_begins_with_what_the_memory_held(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training(make_images(each=10, side=64), settings, batch_size=8, epochs=3, **SCRATCH)
    sizes = tighten(monkeypatch, 2, learning=True)
    logged(training, after_epoch(1))
    _, state = read_state(training.folder / "checkpoint" / "state.safetensors")
    assert state["learning"]["portion"] == 2
    sizes.clear()
    events = go_on(dataclasses.replace(training))
    assert ended(events).state == "finished"
    assert max(sizes) <= 2
    assert notes(events) == []

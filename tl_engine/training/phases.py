"""A strategy as phases: which part learns, for how many epochs, at which rate, and what to say if one diverges."""

from dataclasses import dataclass, replace

from tl_engine.base.errors import TrainingError
from tl_engine.runs.config import STRATEGY_DEFAULTS, TrainConfig
from tl_engine.runs.meta import Learned

MOST_LOSS = 1e4  # a mean loss that no working training reaches: chance is ln(classes), below 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Consecutive epochs in which the same part learns."""

    learns: Learned
    first_epoch: int  # counted from 1 through the whole training
    epochs: int
    learning_rate: float
    usual_rate: float  # what such a phase learns with unless told otherwise
    rate_option: str = "learning-rate"  # what sets its rate
    last: bool = True  # whether the training ends with it

    @property
    def last_epoch(self) -> int:
        """The number of its last epoch."""
        return self.first_epoch + self.epochs - 1


def phases(config: TrainConfig) -> list[Phase]:
    """The phases of a strategy. Head, then all: https://arxiv.org/abs/2202.10054."""
    match config.strategy:
        case "feature-extraction":
            return [_head_phase(config.epochs, config.learning_rate, "learning-rate")]
        case "head-then-all":
            head = _head_phase(config.head_epochs, config.head_learning_rate, "head-learning-rate")
            return [replace(head, last=False), _whole_phase(config, config.head_epochs)]
    return [_whole_phase(config, 0)]


def _head_phase(epochs: int, rate: float, option: str) -> Phase:
    usual = STRATEGY_DEFAULTS["feature-extraction"]["learning_rate"]
    return Phase(
        learns=Learned.HEAD, first_epoch=1, epochs=epochs, learning_rate=rate, usual_rate=usual, rate_option=option
    )


def _whole_phase(config: TrainConfig, before: int) -> Phase:
    usual = STRATEGY_DEFAULTS[config.strategy]["learning_rate"]
    epochs, rate = config.epochs - before, config.learning_rate
    return Phase(learns=Learned.ALL, first_epoch=before + 1, epochs=epochs, learning_rate=rate, usual_rate=usual)


def check_loss(loss: float, what: str, epoch: int, phase: Phase) -> None:
    """Raise TrainingError for a mean loss that is absurd or not finite; `what` names it."""
    if loss <= MOST_LOSS:  # false for NaN
        return
    raise TrainingError(
        f"The training diverged in epoch {epoch} ({what} {loss:.3g}): choose {phase.rate_option} {_slower(phase):.2g}; "
        "what was saved before stays."
    )


def _slower(phase: Phase) -> float:
    """A rate that helps: the usual one, or a tenth where that was not enough."""
    return min(phase.usual_rate, phase.learning_rate / 10)

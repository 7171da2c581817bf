"""Knowing a training that diverged by its loss, and what to say of it."""

from tl_engine.base.errors import TrainingError
from tl_engine.training.phases import Phase

MOST_LOSS = 1e4  # a mean loss that no working training reaches: chance is ln(classes), below 7


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

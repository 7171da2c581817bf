"""How a run stands, in a headline and a sentence, with a progress bar while it goes on."""

import time

from tl_engine.base.events import BatchEnd, EpochEnd, FinalTest, Progress, RunEnded, RunStarted
from tl_engine.base.words import FEW, about, duration, plural, score
from tl_engine.evaluation.judged import FOLDS
from tl_engine.runs.config import SOLVED
from tl_engine.runs.saved_classifier import STOPPED
from tl_engine.vitals.causes import cause_of_death
from tl_engine.vitals.pulse import silence_words
from ui.parts.wording import NO_RUN, STATE_MARKS, STATE_WORDS, text
from ui.train.run_view import RunView

FOLDS_WORDS = "Each photo was judged by a head that had not seen it"
SILENT_WORDS = "It may be busy with one long step, or hang: wait, or stop it."
GO_ON_WORDS = "Whoever started it can go on where it was left."
FEW_WORDS = "Those are too few photos to say how good it is: more photos tell more."


def status_html(shown: RunView | None) -> str:
    """The headline, a sentence, and while it runs a progress bar."""
    if shown is None:
        return f'<div class="tl-status"><p>{NO_RUN}</p></div>'
    headline, sentence = _words(shown)
    bar = _progress(shown) if shown.live else ""
    if shown.resumable:
        sentence += f" {GO_ON_WORDS}"
    mark = STATE_MARKS[shown.state]
    return (
        f'<div class="tl-status tl-{shown.state}" role="status"><h3><span aria-hidden="true">{mark}</span> '
        f"{headline}</h3><p>{sentence}</p>{bar}</div>"
    )


def _words(shown: RunView) -> tuple[str, str]:
    best = shown.best
    sofar = f"Best so far: {score(best.val_accuracy, shown.judged)} in epoch {best.epoch}." if best else ""
    match shown.state:
        case "queued":
            wait = f", about {about(shown.wait)}" if shown.wait else ""
            return "Waiting", f"{plural(shown.place, 'training')} before this one{wait}; it starts by itself."
        case "running" if shown.silent:
            return "Training", f"{silence_words(shown.silent)} {SILENT_WORDS} {sofar}".strip()
        case "running":
            return "Training", sofar or "Getting ready: starting the training process."
        case "interrupted":
            return "Interrupted", f"{text(_death(shown), 300)} {_kept(shown)}"
    ended = next((event for event in reversed(shown.events) if isinstance(event, RunEnded)), None)
    if ended is None:
        return STATE_WORDS[shown.state], "Stopped before it began."
    if shown.state == "failed":
        return "Failed", f"{text(ended.reason, 400)} {_kept(shown) if best else ''}"
    return _result(shown, ended)


def _result(shown: RunView, ended: RunEnded) -> tuple[str, str]:
    """How a finished or stopped run went, in words a person would use."""
    best, photos = shown.best, shown.judged
    if best is None:
        why = "" if ended.reason == STOPPED else f"{_sentence(ended.reason)} "
        return STATE_WORDS[shown.state], f"{why}No epoch had ended, so there is no classifier from this run."
    right = f"{round(best.val_accuracy * photos)} of {photos} validation photos right."
    if shown.judge == FOLDS:
        right = f"{FOLDS_WORDS}: {round(best.val_accuracy * photos)} of {photos} right."
    judged = "" if not photos else FEW_WORDS if photos < FEW else right
    tested = next((event for event in reversed(shown.events) if isinstance(event, FinalTest)), None)
    test = f" On the test folder it reached {score(tested.test_accuracy, shown.tested)}." if tested else ""
    epochs = shown.epochs[-1].epochs if shown.epochs else shown.run.facts.options.get("epochs")
    last = (
        f", the last one {score(shown.last.val_accuracy, photos)}"
        if shown.last and shown.last.epoch != best.epoch
        else ""
    )
    kept = f"Kept is the best epoch, {best.epoch} of {epochs}{last}; it took {duration(ended.seconds)}."
    if best.epoch == epochs and shown.run.facts.options.get("optimizer") == SOLVED:
        kept = f"Solved in {plural(best.epoch, 'step')}; it took {duration(ended.seconds)}."
    why = "" if shown.state == "finished" or ended.reason == STOPPED else f"{_sentence(ended.reason)} "
    return f"{STATE_WORDS[shown.state]}: {score(best.val_accuracy, photos)}", f"{why}{judged}{test} {kept}".strip()


def _sentence(reason: str) -> str:
    """A reason as text that begins and ends as a sentence does."""
    told = text(reason, 400)
    return f"{told[:1].upper()}{told[1:].rstrip('.')}."


def _kept(shown: RunView) -> str:
    if shown.best is None:
        return "No epoch had ended."
    return f"What epoch {shown.best.epoch} had learned is kept ({score(shown.best.val_accuracy, shown.judged)})."


def _death(shown: RunView) -> str:
    """What the process died of that ended without a word."""
    epochs = f" at epoch {shown.epochs[-1].epoch}" if shown.epochs else ""
    return f"The training process died{epochs}: {cause_of_death(shown.run)}."


def _progress(shown: RunView) -> str:
    """How far, and how long still. A process that is starting has no number yet: the bar moves by itself."""
    last = next((e for e in reversed(shown.events) if isinstance(e, Progress | BatchEnd | EpochEnd | RunStarted)), None)
    left = None if shown.silent else getattr(last, "seconds_left", None)
    match last:
        case Progress(stage=stage, done=done, total=total):
            left = left if done < total else None  # of this stage there is nothing left, and of the next nobody knows
            share, what = (done / total if total else None), f"{stage}: {done:,} of {total:,}"
        case BatchEnd(epoch=epoch, batch=batch, batches=batches):
            share, what = batch / batches, f"epoch {epoch}, batch {batch} of {batches}"
        case EpochEnd(epoch=epoch, epochs=epochs):
            share, what = epoch / epochs, f"epoch {epoch} of {epochs}"
        case RunStarted(resumed_from=int(epoch), at=float(begun)):
            share, what = None, f"going on after epoch {epoch} since {_at(begun)}"
        case _:
            share, what = None, f"asked for at {_at(shown.run.facts.created)}"
    value = "" if share is None else f' value="{share:.3f}" max="1"'
    rest = f", about {duration(left)} left" if left is not None else ""
    return f'<progress aria-label="progress"{value}></progress><small>{text(what, 90)}{rest}</small>'


def _at(seconds: float) -> str:
    """The time of day: how long ago that was would be another answer with each look."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))

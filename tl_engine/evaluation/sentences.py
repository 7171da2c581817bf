"""What the figures of a report mean, in sentences computed from them, what matters most first. No torch here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tl_engine.base.events import EpochEnd
from tl_engine.base.words import FEW, percent, plural, score
from tl_engine.evaluation.figures import LEAST_FOR_BARS
from tl_engine.evaluation.judged import FOLDS, TEST

RISEN = 1.1  # times its least, from which a validation loss has risen


def sentences(report: Mapping[str, Any], epochs: Sequence[EpochEnd]) -> Iterator[str]:
    """All of them."""
    yield from on_accuracy(report)
    yield from on_confusion(report)
    yield from on_sureness(report)
    yield from on_curve(report.get("learning_curve"))
    if repeats := report.get("repeats"):
        number, spread = len(repeats["accuracies"]), percent(repeats["spread"])
        yield f"Drawn anew {number} times, the folds give {percent(repeats['mean'])}, give or take {spread}."
    yield from on_classes(report)
    yield from on_epochs(epochs, chosen=bool(report["chosen"]))


def on_accuracy(report: Mapping[str, Any]) -> Iterator[str]:
    """How good, who says so, and beside what."""
    photos, right = report["photos"], report["right"]
    who = {
        FOLDS: "Each photo was judged by a head that had not seen it",
        TEST: "Judged once, on the photos of the test folder",
    }.get(report["judged"], "Judged on photos that it did not learn from")
    low, high = report["interval"]
    range_words = f"{percent(low)} to {percent(high)}"
    yield f"{who}: {right:,} of {photos:,} right. On as many other photos it would be {range_words} (95 %)."
    if photos < FEW:
        yield f"{plural(photos, 'photo')} are too few to say how good it is: more photos tell more."
    majority = report["majority"]
    yield (
        f"Always saying {majority['class']} would be right for {percent(majority['share'])}, and guessing for "
        f"{percent(report['chance'])}."
    )
    if low <= majority["share"]:
        yield "So it is not clear that it has learnt anything: add photos, or look at the labels."
    if report["chosen"]:
        yield (
            f"Epoch {report['epoch']} of {report['epochs']} was chosen by these photos, so on others it will do a "
            "little worse."
        )


def on_confusion(report: Mapping[str, Any]) -> Iterator[str]:
    """Which classes it confuses, and which it never met."""
    for pair in report["pairs"][:2]:
        taken = "was taken" if pair["photos"] == 1 else "were taken"
        yield f"{pair['photos']} of {plural(pair['of'], 'photo')} of {pair['true']} {taken} for {pair['predicted']}."
    absent = [row["class"] for row in report["per_class"] if not row["support"]]
    if absent:
        names = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
        yield f"No photo of {names} judged it: nothing can be said of {'it' if len(absent) == 1 else 'them'}."


def on_sureness(report: Mapping[str, Any]) -> Iterator[str]:
    """Whether its probabilities can be believed."""
    temperature, photos = report["temperature"], report["photos"]
    if report["right"] == photos:
        yield "It made no mistake here, so nothing can be learnt about how sure it may be."
    elif temperature < 0.95:
        yield f"It was less sure than it is right, so its probabilities were sharpened (temperature {temperature:.2f})."
    elif temperature > 1.05:
        yield f"It was surer than it is right, so its probabilities were softened (temperature {temperature:.2f})."
    if photos < LEAST_FOR_BARS:
        yield f"{plural(photos, 'photo')} are too few to check its probabilities."
        return
    off, perfect = report["calibration_error"], report["perfect_calibration_error"]
    shown = (
        f"Its probabilities are off by {off:.3f}; perfect ones would show up to {perfect:.3f} with {photos:,} photos"
    )
    yield f"{shown}: no fault can be seen." if off <= perfect else f"{shown}: take them with care."


def on_curve(curve: Mapping[str, Any] | None) -> Iterator[str]:
    """What more photos would bring, without foretelling an accuracy."""
    points = {point["share"]: point for point in curve["points"]} if curve else {}
    if curve is None or not {0.5, 1.0} <= points.keys():
        return
    half, whole = points[0.5], points[1.0]
    rise = f"{percent(half['accuracy'])} to {percent(whole['accuracy'])}"
    step = f"From half of the photos to all of them accuracy went from {rise}"
    if curve["still_rising"]:
        yield f"{step} and the loss fell by more than chance: more photos still help."
    else:
        yield f"{step}, which could be chance: other photos may help more than more of the same."


def on_classes(report: Mapping[str, Any]) -> Iterator[str]:
    """Which classes to collect next."""
    worst = [row for row in report.get("collect", []) if row["wrong"]][:2]
    if worst and len(report["classes"]) > 1:
        told = " and ".join(f"{row['class']} (most often taken for {row['taken_for']})" for row in worst)
        yield f"New photos would help most of {told}."


def on_epochs(epochs: Sequence[EpochEnd], *, chosen: bool) -> Iterator[str]:
    """What the curves show."""
    losses = [(event.val_loss, event.epoch) for event in epochs if event.val_loss is not None]
    if not chosen or len(losses) < 3:
        return
    least, epoch = min(losses)
    last = epochs[-1]
    kept = next((event.epoch for event in reversed(epochs) if event.best), epoch)
    if losses[-1][0] > least * RISEN and last.train_loss < epochs[epoch - 1].train_loss:
        yield (
            f"Validation loss has risen since epoch {epoch} while training loss falls: it is memorising; "
            f"epoch {kept} is kept."
        )
    elif epoch == last.epoch and last.epoch > 3:
        yield "Validation loss was still falling in the last epoch: more epochs may help."


def headline(report: Mapping[str, Any]) -> str:
    """The result in a few words."""
    return score(report["accuracy"], report["photos"])

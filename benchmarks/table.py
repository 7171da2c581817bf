"""The rows of the table: what is compared, how, and what must be reached."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bench import Samples


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two numbers become one, and on which side of the target that must lie."""

    value: Callable[[float, float], float]  # of (measured, reference)
    at_least: bool
    words: str


FASTER = Comparison(lambda measured, reference: reference / measured, True, "{:.2f} times faster")
RATE = Comparison(lambda measured, reference: measured / reference, True, "{:.2f} times as many")
TIMES = Comparison(lambda measured, reference: measured / reference, False, "{:.2f} times")
MORE = Comparison(lambda measured, reference: measured - reference, False, "{:.1f} ms more")
BELOW = Comparison(lambda measured, _reference: measured, False, "{:.4g}")
ACCURACY = Comparison(lambda measured, reference: measured - reference, True, "{:+.4f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. Several references: the smallest counts."""

    name: str  # for --only
    what: str
    measured: str
    references: tuple[str, ...] = ()
    comparison: Comparison
    target: float | None  # None: two standard errors of the difference below 0
    unit: str
    centre: Callable[[Sequence[float]], float] = statistics.median

    @property
    def quantities(self) -> set[str]:
        """All that must be measured for it."""
        return {self.measured, *self.references}


ROWS = (
    Row(name="command", what="feature extraction, from command to saved classifier, against the textbook loop",
        measured="our command", references=("textbook loop",), comparison=FASTER, target=15, unit="s"),
    Row(name="floor", what="the same from run_started to run_ended, against decoding once and forward once",
        measured="our engine, cold", references=("floor in float32", "floor in bfloat16"), comparison=TIMES,
        target=1.4, unit="s"),
    Row(name="warm", what="a second run with the cache warm, from run_started to run_ended",
        measured="our engine, warm", comparison=BELOW, target=1, unit="s"),
    Row(name="epochs", what="all epochs beside one epoch, both cold, from run_started to run_ended",
        measured="our engine, cold", references=("our engine, one epoch",), comparison=TIMES, target=1.1, unit="s"),
    Row(name="fine-tuning", what="fine-tuning at batch 32, second epoch without validation, against the textbook loop",
        measured="our fine-tuning", references=("textbook fine-tuning",), comparison=RATE, target=2.2,
        unit="images/s"),
    Row(name="predictor", what="Predictor on one 500 x 375 JPEG against bare decode and forward",
        measured="Predictor", references=("bare in float32", "bare in bfloat16"), comparison=MORE, target=2,
        unit="ms"),
    Row(name="http", what="/predict over one kept-alive connection, upload included, against Predictor",
        measured="/predict", references=("Predictor beside the page",), comparison=MORE, target=20, unit="ms"),
    Row(name="threads", what="30 threads calling the shared Predictor against 30 decodes and one forward of 30",
        measured="30 threads", references=("30 at once in float32", "30 at once in bfloat16"), comparison=TIMES,
        target=2, unit="ms"),
    Row(name="page", what="page served after `python app.py` against `python -c \"import gradio\"`",
        measured="page served", references=("import gradio",), comparison=TIMES, target=1.5, unit="s"),
    Row(name="press", what="start_training asked for over HTTP to run_started written",
        measured="press to run_started", comparison=BELOW, target=1, unit="s"),
)  # fmt: skip
LARGE_ROWS = (
    Row(name="memory", what="10,000 photos of 500 x 375 embedded: peak memory above the idle engine",
        measured="memory above idle", comparison=BELOW, target=1000, unit="MB"),
    Row(name="pace", what="time per photo for 10,000 against 1,000", measured="time per photo of many",
        references=("time per photo of few",), comparison=TIMES, target=1.15, unit="ms"),
)  # fmt: skip
ACCURACY_ROWS = (
    Row(name="accuracy", what="feature extraction, best epoch, mean over seeds, against the textbook loop",
        measured="our accuracy", references=("textbook accuracy",), comparison=ACCURACY, target=0, unit="",
        centre=statistics.fmean),
    Row(name="fine-tuned-accuracy", what="two epochs of fine-tuning, best epoch, mean over seeds, same settings",
        measured="our fine-tuned accuracy", references=("textbook fine-tuned accuracy",), comparison=ACCURACY,
        target=None, unit="", centre=statistics.fmean),
)  # fmt: skip
ALL_ROWS = (*ROWS, *LARGE_ROWS, *ACCURACY_ROWS)
HEADER = ("what", "measured", "reference", "ratio", "target", "reached?")


def markdown(rows: Sequence[Row], samples: Samples) -> Iterator[str]:
    """The table, line by line."""
    yield f"| {' | '.join(HEADER)} |"
    yield "|" + "---|" * len(HEADER)
    for row in rows:
        yield f"| {' | '.join(_cells(row, samples))} |"


def _cells(row: Row, samples: Samples) -> list[str]:
    if not row.quantities <= samples.keys():
        return [row.what, "failed", "", "", _target(row, samples) if row.target is not None else "", "no"]
    reference = min(row.references, key=lambda name: row.centre(samples[name]), default=None)
    measured = row.centre(samples[row.measured])
    ratio = row.comparison.value(measured, row.centre(samples[reference]) if reference else 0.0)
    target = _threshold(row, samples)
    reached = ratio >= target if row.comparison.at_least else ratio <= target
    cells = [row.what, _shown(row, row.measured, samples), _shown(row, reference, samples) if reference else ""]
    shown = row.comparison.words.format(ratio) if reference else ""
    return [*cells, shown, _target(row, samples), "yes" if reached else "no"]


def _shown(row: Row, name: str, samples: Samples) -> str:
    """A quantity in words: its centre, and from where to where its rounds went."""
    values = samples[name]
    number = f"{row.centre(values):.4g} {row.unit}".strip()
    spread = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
    return f"{name}: {number}{spread}"


def _target(row: Row, samples: Samples) -> str:
    side = "at least" if row.comparison.at_least else "at most"
    number = row.comparison.words.format(_threshold(row, samples))
    return f"{side} {number}{'' if row.references else ' ' + row.unit}"


def _threshold(row: Row, samples: Samples) -> float:
    """The target, or, where it is "no lower within noise", two standard errors of the difference of the means."""
    if row.target is not None:
        return row.target
    parts = [samples[name] for name in row.quantities]
    variance = sum(statistics.variance(values) / len(values) if len(values) > 1 else 0.0 for values in parts)
    return -2 * float(variance**0.5)

"""Training measured: the textbook loop, the bare floor, ours cold, warm and short, and all of them for accuracy."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Probe, ask
from benchmarks.engine import Told, fine_tuning_rate, train

FINE_TUNING_BATCH = 32
# Two epochs: the first also warms up (and fills our picture cache), the rate is that of the second.
FINE_TUNING = ("--epochs", "2", "--batch-size", str(FINE_TUNING_BATCH))
# The textbook's optimizer and schedule for ours too: the loops are compared, not their settings.
SAME_SETTINGS = ("--strategy", "fine-tuning", "--preset", "tutorial", *FINE_TUNING)


def textbook(bench: Bench, *options: str) -> tuple[float, dict[str, Any]]:
    """Run the textbook loop: seconds of the whole program, and what it says of itself."""
    place = ["--data", str(bench.data), "--architecture", bench.architecture, "--weights-dir", str(bench.weights_dir)]
    workers = [] if bench.workers is None else ["--workers", str(bench.workers)]
    saved = bench.folder("textbook") / "best.pth"
    return ask("textbook", *place, *workers, "--save", str(saved), *options)


def textbook_extraction(bench: Bench, _turn: int) -> Mapping[str, float]:
    """From command to saved classifier, with the epochs that were not run counted as the mean of those after the 1st.

    The first is slower and counts once, as it would in a whole run.
    """
    seconds, answer = textbook(bench, "--epochs", str(bench.timed_epochs))
    epochs = answer["epoch_seconds"]
    each = statistics.fmean(epochs[1:] or epochs)
    return {"textbook loop": seconds + (bench.epochs - bench.timed_epochs) * each}


def floor(bench: Bench, precision: str) -> Mapping[str, float]:
    """Decode once, forward once, in one precision."""
    place = ["--data", str(bench.data), "--architecture", bench.architecture, "--weights-dir", str(bench.weights_dir)]
    _, answer = ask("floor", *place, "--precision", precision)
    return {f"floor in {precision}": answer["seconds"]}


def extraction(bench: Bench, cache: Path, epochs: int, *options: str) -> Told:
    """Our feature extraction with its own settings."""
    return train(bench, cache, "--strategy", "feature-extraction", "--epochs", str(epochs), *options)


def ours(bench: Bench, _turn: int) -> Mapping[str, float]:
    """Cold, then warm with the same cache, then one epoch with another empty cache."""
    cache = bench.folder("cache")
    cold = extraction(bench, cache, bench.epochs)
    warm = extraction(bench, cache, bench.epochs)
    short = extraction(bench, bench.folder("cache"), 1)
    return {
        "our command": cold.command_seconds,
        "our engine, cold": cold.engine_seconds,
        "our engine, warm": warm.engine_seconds,
        "our engine, one epoch": short.engine_seconds,
    }


def textbook_fine_tuning(bench: Bench, _turn: int) -> Mapping[str, float]:
    """Images per second of the second epoch's training part; validation is not in it."""
    _, answer = textbook(bench, "--fine-tuning", *FINE_TUNING)
    return {"textbook fine-tuning": answer["train_images"] / answer["train_seconds"][-1]}


def our_fine_tuning(bench: Bench, _turn: int) -> Mapping[str, float]:
    """The same for ours."""
    run = train(bench, bench.folder("cache"), *SAME_SETTINGS)
    return {"our fine-tuning": fine_tuning_rate(run, FINE_TUNING_BATCH)}


def textbook_accuracy(bench: Bench, turn: int) -> Mapping[str, float]:
    """The best epoch of a whole textbook training."""
    _, answer = textbook(bench, "--epochs", str(bench.epochs), "--seed", str(turn))
    return {"textbook accuracy": max(answer["accuracies"])}


def our_accuracy(bench: Bench, turn: int) -> Mapping[str, float]:
    """The best epoch of ours."""
    run = extraction(bench, bench.folder("cache"), bench.epochs, "--seed", str(turn))
    return {"our accuracy": run.best_accuracy}


def textbook_fine_tuned(bench: Bench, turn: int) -> Mapping[str, float]:
    """The best of two epochs of textbook fine-tuning."""
    _, answer = textbook(bench, "--fine-tuning", *FINE_TUNING, "--seed", str(turn))
    return {"textbook fine-tuned accuracy": max(answer["accuracies"])}


def our_fine_tuned(bench: Bench, turn: int) -> Mapping[str, float]:
    """The best of two epochs of ours with the textbook's settings."""
    run = train(bench, bench.folder("cache"), *SAME_SETTINGS, "--seed", str(turn))
    return {"our fine-tuned accuracy": run.best_accuracy}


OURS = ("our command", "our engine, cold", "our engine, warm", "our engine, one epoch")
PROBES = (
    Probe(gives=("textbook loop",), run=textbook_extraction),
    Probe(gives=("floor in float32",), run=lambda bench, _: floor(bench, "float32")),
    Probe(gives=("floor in bfloat16",), run=lambda bench, _: floor(bench, "bfloat16")),
    Probe(gives=OURS, run=ours),
    Probe(gives=("textbook fine-tuning",), run=textbook_fine_tuning),
    Probe(gives=("our fine-tuning",), run=our_fine_tuning),
    Probe(gives=("textbook accuracy",), run=textbook_accuracy, averaged=True),
    Probe(gives=("our accuracy",), run=our_accuracy, averaged=True),
    Probe(gives=("textbook fine-tuned accuracy",), run=textbook_fine_tuned, averaged=True),
    Probe(gives=("our fine-tuned accuracy",), run=our_fine_tuned, averaged=True),
)

"""Train on a folder of class folders (or a zip, or a sample's name), then say what is on a photo.

    python -m examples.train_in_python photos photo.jpg --name mine

The run is one like any other: the page shows it, and `python -m tl_engine predict mine photo.jpg` predicts with it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tl_engine import Predictor, TrainConfig, find, train
from tl_engine.base.events import EpochEnd, FileSkipped, RunEnded


def learn(config: TrainConfig, name: str) -> str:
    """Train, telling what happens; returns how it ended: finished, stopped or failed."""
    state = "failed"
    for event in train(config, name=name):
        match event:
            case FileSkipped():
                print(f"{event.file} takes no part: {event.reason}")
            case EpochEnd():
                print(f"epoch {event.epoch} of {event.epochs}: {event.val_accuracy:.1%} of the validation photos right")
            case RunEnded():
                state = event.state
                print(f"{state}: {event.reason}")
    return state


def main(argv: Sequence[str] | None = None) -> int:
    """Train and predict; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="What to learn from.")
    parser.add_argument("photo", type=Path, help="What to predict afterwards.")
    parser.add_argument("--name", default="from-python", help="The run's name.")
    parser.add_argument("--epochs", type=int, default=10, help="Passes over the photos.")
    arguments = parser.parse_args(argv)
    if learn(TrainConfig(data=arguments.data, epochs=arguments.epochs), arguments.name) != "finished":
        return 1
    predictor = Predictor.load(find(arguments.name))
    for class_name, probability in predictor.probabilities(predictor.open(arguments.photo)).items():
        print(f"{class_name}: {probability:.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

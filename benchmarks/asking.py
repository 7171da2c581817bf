"""Asks a running page to predict over one kept-alive connection, upload included, in turns with a `Predictor` here.

A program of its own (`python -m benchmarks.asking --help`). It prints json: the median milliseconds of both.
"""

import argparse
import json
from pathlib import Path

import httpx

from benchmarks.page import PATIENCE, direct, upload
from benchmarks.predicting import medians
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.asking", description=__doc__)
    parser.add_argument("--url", required=True, help="Where the page answers.")
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--weights-dir", help="The page's own.")
    parser.add_argument("--calls", type=int, default=40)
    options = parser.parse_args()
    predictor = Predictor.imagenet(Settings.make(weights_dir=options.weights_dir))
    with httpx.Client(base_url=options.url, timeout=PATIENCE) as client:
        calls = {
            "/predict": lambda: direct(client, "predict", upload(client, options.photo), "imagenet"),
            "Predictor beside the page": lambda: predictor.probabilities(predictor.open(options.photo)),
        }
        print(json.dumps(medians(calls, options.calls)))


if __name__ == "__main__":
    main()

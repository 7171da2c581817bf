"""Classify photos: `python predict.py photo.jpg more.png`. Needs onnxruntime, pillow, numpy and the files beside it.

A photo is shrunk, turned upright and made a square by the very code of the program that trained the classifier.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from tl_engine.photos.pixels import finished, scale_clear_colour, shrunk
from tl_engine.photos.square import Square

HERE = Path(__file__).resolve().parent
BATCH = 8  # photos at once


class Classifier:
    """The classifier in this folder; `model` is one of its files."""

    def __init__(self, model: str | None = None, folder: Path = HERE) -> None:
        self.facts: dict[str, Any] = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        self.square = Square(**{**self.facts["square"], "colour": tuple(self.facts["square"]["colour"])})
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else it keeps idle cores busy
        path = str(folder / (model or self.facts["model"]))
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def pixels(self, path: Path) -> NDArray[np.uint8]:
        """What the network sees of a photo: bytes (3, S, S). Raises OSError or ValueError for what is no picture."""
        with Image.open(path) as image:
            image.draft(None, shrunk(image.size, self.facts["short_side"]))  # a large JPEG decodes at a fraction
            image.load()
            if image.format == "PNG":
                scale_clear_colour(image, path.read_bytes()[24])
            photo = finished(image, image.info, self.facts["short_side"])
        return np.asarray(self.square.view(photo)).transpose(2, 0, 1)

    def __call__(self, pixels: Sequence[NDArray[np.uint8]]) -> list[dict[str, Any]]:
        """Of each: the probabilities by class, and whether to believe them: ok, not sure, or unlike."""
        said: dict[str, NDArray[np.float32]] = {
            output.name: rows
            for output, rows in zip(
                self.session.get_outputs(), self.session.run(None, {"pixels": np.stack(pixels)}), strict=True
            )
        }
        likeness = said.get("likeness", np.ones(len(pixels), np.float32))
        return [self._answer(*row) for row in zip(said["probabilities"], likeness, strict=True)]

    def _answer(self, probabilities: NDArray[np.float32], likeness: np.float32) -> dict[str, Any]:
        verdict = "not sure" if probabilities.max() < self.facts["least_sure"] else "ok"
        if self.facts["least_likeness"] is not None and likeness < self.facts["least_likeness"]:
            verdict = "unlike"
        by_class = {self.facts["classes"][i]: float(probabilities[i]) for i in np.argsort(-probabilities)}
        return {"probabilities": by_class, "verdict": verdict}


def main() -> int:
    """A line for each photo; one that cannot be read is named, and the others go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--model", help="Another file of this folder, such as model-float16.onnx.")
    parser.add_argument("--json", action="store_true", help="One json object for each photo.")
    arguments = parser.parse_args()
    classifier, failed = Classifier(arguments.model), False
    for start in range(0, len(arguments.photos), BATCH):
        rows: dict[Path, NDArray[np.uint8]] = {}
        for path in arguments.photos[start : start + BATCH]:
            try:
                rows[path] = classifier.pixels(path)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                failed = True
                reason = getattr(error, "strerror", None) or "it is no picture that can be read here"
                _show({"file": str(path), "error": f"{path.name}: {reason}."}, as_json=arguments.json)
        for path, answer in zip(rows, classifier(list(rows.values())) if rows else [], strict=True):
            _show({"file": str(path), **answer}, as_json=arguments.json)
    return 1 if failed else 0


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer), flush=True)
    elif "error" in answer:
        print(answer["error"], file=sys.stderr)
    else:
        likeliest = list(answer["probabilities"].items())[:5]
        doubt = {"ok": "", "not sure": " (not sure)", "unlike": " (unlike anything it was shown)"}[answer["verdict"]]
        print(f"{answer['file']}: " + ", ".join(f"{name} {share:.1%}" for name, share in likeliest) + doubt)


if __name__ == "__main__":
    sys.exit(main())

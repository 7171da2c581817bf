"""The bare floor: every photo decoded once and sent through the network once, one after another, nothing else.

A program of its own (`python -m benchmarks.floor --help`): the clock starts when imports are done and the model is
built, and stops when the last number is there. It prints json.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets import ImageFolder

from benchmarks.textbook import evaluation_transform, numbers_of, pretrained

BATCH = 32
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Bare:
    """A pretrained network with nothing around it: photo files in, probabilities (N, C) out."""

    def __init__(self, architecture: str, weights_dir: Path, precision: str) -> None:
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.dtype = PRECISIONS[precision]
        model = pretrained(architecture, weights_dir).eval().requires_grad_(False)
        self.model = model.to(self.device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.transform = evaluation_transform(numbers_of(architecture, weights_dir))

    @torch.inference_mode()
    def __call__(self, files: Sequence[Path]) -> Tensor:
        """Decode, one forward, softmax."""
        batch = torch.stack([self.decode(file) for file in files])
        batch = batch.to(self.device, self.dtype, memory_format=torch.channels_last)
        outputs: Tensor = self.model(batch)
        return outputs.float().softmax(1).cpu()

    def decode(self, file: Path) -> Tensor:
        """One photo as the network's numbers (3, H, W)."""
        with Image.open(file) as image:
            return self.transform(image.convert("RGB"))


def batches(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """BATCH files at a time."""
    return (files[start : start + BATCH] for start in range(0, len(files), BATCH))


def main() -> None:
    """Run every photo of the folder through the network and print the seconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Folder with train/ and val/.")
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--weights-dir", type=Path, required=True)
    parser.add_argument("--precision", choices=list(PRECISIONS), default="float32")
    options = parser.parse_args()
    splits = (ImageFolder(str(options.data / split)) for split in ("train", "val"))
    files = [Path(file) for split in splits for file, _ in split.samples]
    bare = Bare(options.architecture, options.weights_dir, options.precision)
    started = time.perf_counter()
    for some in batches(files):
        bare(some)
    print(json.dumps({"seconds": time.perf_counter() - started, "images": len(files)}))


if __name__ == "__main__":
    main()

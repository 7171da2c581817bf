"""The textbook loops, plain as in PyTorch's transfer-learning tutorial: the yardstick, so nothing here is clever.

A program of its own (`python -m benchmarks.textbook --help`), so that its imports are measured too. It prints json.
Different from the tutorial: the backbone is an argument, so its numbers replace 256, 224 and the ImageNet means; its
weights come from a file; and WORKERS.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

# The tutorial takes 4. On two cores none was fastest: the training itself already uses both of them.
WORKERS = 0
Numbers = dict[str, Any]  # resize, crop, interpolation, channels, scale, mean, std
Batches = DataLoader[tuple[Tensor, Tensor]]


def numbers_of(architecture: str, weights_dir: Path) -> Numbers:
    """The preprocessing that the weights want: torchvision's, or that of a json file beside them."""
    file = weights_dir / f"{architecture}.json"
    if file.is_file():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    preset = models.get_model_weights(architecture)["IMAGENET1K_V1"].transforms()
    return {
        "resize": preset.resize_size[0],
        "crop": preset.crop_size[0],
        "interpolation": preset.interpolation.value,
        "channels": "rgb",
        "scale": 1,
        "mean": preset.mean,
        "std": preset.std,
    }


def to_tensor(numbers: Numbers) -> list[Any]:
    """The last steps of both transforms: a tensor (3, H, W), normalised."""
    steps: list[Any] = [transforms.ToTensor()]
    if numbers["channels"] == "bgr":
        steps.append(BlueFirst())
    # Normalising x by (mean / scale, std / scale) is normalising scale * x by (mean, std).
    mean, std = ([value / numbers["scale"] for value in numbers[key]] for key in ("mean", "std"))
    return [*steps, transforms.Normalize(mean, std)]


class BlueFirst:
    """RGB to BGR; a class, since worker processes cannot be sent a lambda."""

    def __call__(self, tensor: Tensor) -> Tensor:
        """The channels of (3, H, W) in the other order."""
        return tensor.flip(0)


def training_transform(numbers: Numbers) -> Callable[[Image.Image], Tensor]:
    """The tutorial's augmentation."""
    interpolation = transforms.InterpolationMode(numbers["interpolation"])
    crop = transforms.RandomResizedCrop(numbers["crop"], interpolation=interpolation)
    composed: Callable[[Image.Image], Tensor] = transforms.Compose(
        [crop, transforms.RandomHorizontalFlip(), *to_tensor(numbers)]
    )
    return composed


def evaluation_transform(numbers: Numbers) -> Callable[[Image.Image], Tensor]:
    """Short side resized, centre cropped."""
    interpolation = transforms.InterpolationMode(numbers["interpolation"])
    resize = transforms.Resize(numbers["resize"], interpolation=interpolation)
    composed: Callable[[Image.Image], Tensor] = transforms.Compose(
        [resize, transforms.CenterCrop(numbers["crop"]), *to_tensor(numbers)]
    )
    return composed


def pretrained(architecture: str, weights_dir: Path) -> nn.Module:
    """The backbone with its own head and the weights of the folder, which may leave the head out."""
    model: nn.Module = models.get_model(architecture, weights=None)
    state = torch.load(weights_dir / f"{architecture}.pth", map_location="cpu", weights_only=True)
    missing = model.load_state_dict(state, strict=False).missing_keys
    path, _ = head_of(model)
    if lacking := [name for name in missing if not name.startswith(path)]:
        raise SystemExit(f"{architecture}.pth lacks {lacking[0]}: use torchvision's file of this backbone.")
    return model


def head_of(model: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The last linear or convolutional layer and its path."""
    return [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]


def with_new_head(model: nn.Module, classes: int) -> nn.Module:
    """The same model with a fresh head for so many classes."""
    path, old = head_of(model)
    if isinstance(old, nn.Linear):
        model.set_submodule(path, nn.Linear(old.in_features, classes))
    else:
        model.set_submodule(path, nn.Conv2d(old.in_channels, classes, kernel_size=1))
    return model


def run_phase(model: nn.Module, batches: Batches, optimizer: Optimizer | None, device: torch.device) -> float:
    """One pass over the photos, learning if there is an optimizer; returns the accuracy."""
    model.train(optimizer is not None)
    criterion = nn.CrossEntropyLoss()
    right = seen = 0
    running_loss = 0.0
    for inputs, labels in batches:
        inputs, labels = inputs.to(device), labels.to(device)
        if optimizer:
            optimizer.zero_grad()
        with torch.set_grad_enabled(optimizer is not None):
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            if optimizer:
                loss.backward()
                optimizer.step()
        running_loss += loss.item() * len(inputs)
        right += int(torch.sum(outputs.argmax(1) == labels))
        seen += len(inputs)
    return right / seen


def photos(options: argparse.Namespace) -> tuple[dict[str, ImageFolder], dict[str, Batches]]:
    """The data sets "train" and "val", and their loaders."""
    numbers = numbers_of(options.architecture, options.weights_dir)
    data = {
        "train": ImageFolder(str(options.data / "train"), training_transform(numbers)),
        "val": ImageFolder(str(options.data / "val"), evaluation_transform(numbers)),
    }
    loaders: dict[str, Batches] = {
        phase: DataLoader(part, batch_size=options.batch_size, shuffle=True, num_workers=options.workers)
        for phase, part in data.items()
    }
    return data, loaders


def train(options: argparse.Namespace) -> dict[str, Any]:
    """All epochs; the best one's weights are saved. Returns what the benchmarks want to know."""
    torch.manual_seed(options.seed)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    data, batches = photos(options)
    model = pretrained(options.architecture, options.weights_dir)
    model.requires_grad_(options.fine_tuning)
    model = with_new_head(model, len(data["train"].classes)).to(device)
    optimizer = SGD([p for p in model.parameters() if p.requires_grad], lr=0.001, momentum=0.9)
    scheduler = StepLR(optimizer, step_size=7, gamma=0.1)
    best, accuracies, train_seconds, epoch_seconds = -1.0, [], [], []
    for _epoch in range(options.epochs):
        started = time.perf_counter()
        run_phase(model, batches["train"], optimizer, device)
        scheduler.step()
        train_seconds.append(time.perf_counter() - started)
        accuracies.append(run_phase(model, batches["val"], None, device))
        if accuracies[-1] > best:
            best = accuracies[-1]
            torch.save(model.state_dict(), options.save)
        epoch_seconds.append(time.perf_counter() - started)
    times = {"epoch_seconds": epoch_seconds, "train_seconds": train_seconds}
    return {"train_images": len(data["train"]), "accuracies": accuracies, **times}


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.textbook", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Folder with train/ and val/.")
    parser.add_argument("--architecture", required=True, help="A torchvision builder.")
    parser.add_argument("--weights-dir", type=Path, required=True, help="Folder with NAME.pth.")
    parser.add_argument("--save", type=Path, required=True, help="Where the best weights go.")
    parser.add_argument("--fine-tuning", action="store_true", help="Every layer learns, not the last one alone.")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--seed", type=int, default=0)
    print(json.dumps(train(parser.parse_args())))


if __name__ == "__main__":
    main()

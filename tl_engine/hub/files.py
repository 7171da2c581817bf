"""What goes to the hub: the files of a classifier without anything private, for timm as well where it is timm's.

Names of training photos, of their data set and of folders stay here.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_engine.backbones.architectures import Architecture, get_architecture
from tl_engine.backbones.libraries import import_timm
from tl_engine.base.names import clean_class_name, slug
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.hub.card import classifier_at, model_card
from tl_engine.hub.card_words import for_timm
from tl_engine.runs.find import IMAGENET, OPENS_WITH, shipped
from tl_engine.runs.meta import META, Learned, Meta
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import TENSORS, read_meta
from tl_engine.runs.titles import data_name, title_of

if TYPE_CHECKING:
    from torch import nn

CONFIG, LABELS, LICENCE, CARD = "config.json", "labels.txt", "LICENSE", "README.md"
REFERENCE = "reference.safetensors"
DEMO = "weights/demo"  # where classifiers lie that ship with the program
USAGE = "## How to use it"  # of a card: a classifier on a Space is used by opening the Space
OURS = (TENSORS, META, CARD, CONFIG, LABELS, LICENCE, REFERENCE)  # all that a push may write


def write_files(run: Run, repo: str, folder: Path, settings: Settings, verified: Mapping[str, Any] | None) -> None:
    """Write them into `folder`. Raises OSError, SafetensorError, and EngineError where its backbone cannot be had."""
    classifier = classifier_at(run)
    meta = read_meta(classifier)
    architecture = get_architecture(meta.architecture)
    whole = _whole_for_timm(classifier, meta, architecture, settings)
    kept = json.loads((classifier / META).read_text(encoding="utf-8"))
    kept["config"] = {name: value for name, value in kept.get("config", {}).items() if name != "data"}
    if whole is None:
        shutil.copyfile(classifier / TENSORS, folder / TENSORS)
        config = _plain_config(meta)
    else:
        _save(whole, folder / TENSORS)
        kept["learned"] = Learned.ALL.value
        config = _timm_config(whole, meta, architecture)
    card = model_card(run, repo=repo, verified=verified, timm=whole is not None)
    texts = {
        META: json.dumps(kept, indent=1),
        CONFIG: json.dumps(config, indent=1),
        LABELS: "\n".join(clean_class_name(name) or f"class {i}" for i, name in enumerate(meta.classes)),
        CARD: card.rstrip("\n"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    shutil.copyfile(PROJECT / LICENCE, folder / LICENCE)
    _save_reference(run, folder)


def shipped_files(run: Run, repo: str, place: Path, settings: Settings) -> dict[str, Path | bytes]:
    """The run's classifier as one that ships, without names of photos, data or the run; the page opens with it.

    Raises as `write_files`.
    """
    if run.name in shipped(settings) and run.folder == settings.demo / run.name:
        return {f"{DEMO}/{OPENS_WITH}": f"{run.name}\n".encode()}
    write_files(run, repo, place, settings, None)
    card = model_card(run).split(USAGE)[0].rstrip() + "\n"
    name = _shipped_name(run, settings)
    kept = {file: place / file for file in (TENSORS, META, REFERENCE) if (place / file).is_file()}
    return {f"{DEMO}/{name}/{file}": path for file, path in kept.items()} | {
        f"{DEMO}/{name}/{CARD.replace('README', 'card')}": card.encode(),
        f"{DEMO}/{OPENS_WITH}": f"{name}\n".encode(),
    }


def _shipped_name(run: Run, settings: Settings) -> str:
    """What it is called there: by its title, where somebody gave it one, else by its classes."""
    title = title_of(run)
    if title in (data_name(run.facts.data), run.name):  # a folder's name is nobody's business
        title = " or ".join(read_meta(classifier_at(run)).classes[:3])
    name = slug(title.lower(), 40, otherwise="classifier")
    return f"{name}-2" if name in (IMAGENET, *shipped(settings)) else name


def _save_reference(run: Run, folder: Path) -> None:
    """How the classifier knows its own kind of photos, without what the photos are called."""
    from tl_engine.classifiers.reference import Reference

    if reference := Reference.load(run.report):
        reference.nameless().save(folder)


def _save(model: "nn.Module", path: Path) -> None:
    from safetensors.torch import save_file

    save_file({k: t.detach().cpu().contiguous().clone() for k, t in model.state_dict().items()}, path, {"format": "pt"})


def _whole_for_timm(classifier: Path, meta: Meta, row: Architecture, settings: Settings) -> "nn.Module | None":
    """Backbone and head as one network, where timm can read it and would prepare pictures as we do; else None."""
    if not for_timm(meta, row):
        return None
    from tl_engine.classifiers.predictor import network_of
    from tl_engine.networks.models import without_numbers

    model, timm = network_of(classifier, settings)[0], import_timm()
    with without_numbers():
        wanted = timm.create_model(row.builder, pretrained=False, num_classes=len(meta.classes)).state_dict()
    own = model.state_dict()
    if {k: t.shape for k, t in own.items()} != {k: t.shape for k, t in wanted.items()}:
        return None
    return model


def _plain_config(meta: Meta) -> dict[str, Any]:
    """What other programs may read of a classifier that only this one loads."""
    return {
        "library_name": "tl_engine",
        "architecture": meta.architecture,
        "num_classes": len(meta.classes),
        "label_names": list(meta.classes),
        "temperature": meta.temperature,
    }


def _timm_config(model: "nn.Module", meta: Meta, row: Architecture) -> dict[str, Any]:
    """timm's own layout; what it does not know it leaves alone."""
    timm = import_timm()

    numbers, scale = meta.preprocessing, float(meta.preprocessing.get("scale", 1.0))
    published = timm.get_pretrained_cfg(row.builder)
    known = published.to_dict() if published else {}
    builder = {name: known.get(name) for name in ("first_conv", "classifier", "pool_size", "fixed_input_size")}
    same_size = (known.get("input_size") or (3, 0, 0))[-1] == numbers["crop"]
    return {
        "architecture": row.builder.split(".")[0],
        "num_classes": len(meta.classes),
        "num_features": int(getattr(model, "num_features", 0)),
        "label_names": list(meta.classes),
        "label_descriptions": {name: name for name in meta.classes},
        "temperature": meta.temperature,
        "pretrained_cfg": builder
        | {
            "pool_size": builder["pool_size"] if same_size else None,
            "input_size": [3, numbers["crop"], numbers["crop"]],
            "interpolation": numbers["interpolation"],
            # A little more, so that rounding down gives the very number of pixels again.
            "crop_pct": numbers["crop"] / (numbers["resize"] + 1e-6),
            "crop_mode": "center",
            "mean": [number / scale for number in numbers["mean"]],
            "std": [number / scale for number in numbers["std"]],
            "num_classes": len(meta.classes),
            "custom_load": False,
            "license": known.get("license"),
        },
    }

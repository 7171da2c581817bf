"""A classifier as one zip that needs nothing of this program, checked against the app before anybody gets it."""

import dataclasses
import functools
import json
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
from onnx import ModelProto
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tl_engine.base.errors import RunError
from tl_engine.base.events import Event
from tl_engine.base.files import temporary
from tl_engine.base.progress import estimated
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.base.words import plural
from tl_engine.classifiers.answers import limits
from tl_engine.evaluation.report import read_report
from tl_engine.graphs.graph import Ending, Tensors, finished, head_tensors, write_graph
from tl_engine.graphs.kept import Kept
from tl_engine.hub.card import model_card
from tl_engine.runs.meta import META, Meta
from tl_engine.runs.run import BEST, Run
from tl_engine.runs.saved_classifier import TENSORS, read_meta, saved_folder
from tl_engine.runs.titles import title_of
from tl_engine.sharing import verify
from tl_engine.sharing.app import App, Loaded, Remembered
from tl_engine.sharing.checking import EXPORTED, FULL, HALF, INT8, LITE, checked
from tl_engine.sharing.verify import Agreement

FORMAT = 1  # of classifier.json
VARIANTS = {
    FULL: "float32",
    HALF: "float16",
    INT8: "int8",
    EXPORTED: "pt2",
    LITE: "tflite",
}  # as figures say
FACTS = "classifier.json"
CODE = ("photos/pixels.py", "photos/square.py", "sharing/predict.py")  # of this program, as they are
RECORDING_SECONDS = 12.0  # of a network that was not exported before, on two cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An export in a folder, and what it was found to agree on."""

    folder: Path
    photos: str  # what it was compared on
    agreements: dict[str, Agreement]  # by file; the full one first

    @property
    def files(self) -> list[Path]:
        """All of it, by name."""
        return sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))

    @property
    def verified(self) -> dict[str, Any]:
        """Json-ready: of the full export, and of each variant."""
        variants = {VARIANTS[file]: found.told() for file, found in self.agreements.items()}
        return {"on": self.photos, **self.agreements[FULL].told(), "variants": variants}

    def choose(self, model: str) -> None:
        """Make another of its models the one that predict.py and the page load. Raises OSError."""
        facts = json.loads((self.folder / FACTS).read_text(encoding="ascii"))
        found = self.agreements[model]
        verified = {"photos": found.photos, "same_class": found.same_class}
        facts |= {"model": model, "verified": {**verified, "largest_difference": found.largest_difference}}
        (self.folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="ascii")

    def smallest(self) -> str:
        """The file for a page to load: half the weights where that names every class as the full one does."""
        half = self.agreements.get(HALF)
        good = half is not None and half.left_out is None and half.same_class == half.photos
        return HALF if good else FULL


def make_bundle(
    classifier: Path, settings: Settings, folder: Path, *, lite: bool = False
) -> Generator[Event, None, Bundle]:
    """Fill `folder`, which is there, with an export of the classifier in `classifier` (`best/`); `lite`: LiteRT too.

    Raises DisagreementError where the export says something else than the app, RunError or WeightsError where the
    classifier cannot be had, OSError on a full disk.
    """
    source = Source.of(classifier, settings)
    with temporary(folder) as place:
        paths, called = verify.photos_of(source.run, Path(place))
        app, graph = yield from _app_and_graph(source, paths, lite=lite)
        paths = app.chosen(paths)
        if not paths:  # none that judged can be read any more
            paths, called = verify.made_pictures(Path(place))
            paths = app.chosen(paths)
        whole = _whole(graph, source, app)
        write_graph(whole, folder / FULL)
        _write_facts(source, app, folder)
        for name in (TENSORS, META):
            shutil.copyfile(source.whole / name, folder / name)
        agreements = yield from checked(app, whole, paths, folder, lite=lite)
    bundle = Bundle(folder=folder, photos=called, agreements=agreements)
    card = model_card(source.run if classifier.name == BEST else Run(classifier), verified=bundle.verified["variants"])
    (folder / "README.md").write_text(card, encoding="utf-8")
    bundle.choose(FULL)
    verify.stamp(folder, bundle.verified)
    return bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A saved classifier to be exported."""

    classifier: Path  # `best/`
    whole: Path  # where its two files lie
    meta: Meta
    settings: Settings
    head: Tensors | None  # of a frozen backbone
    kept: Kept | None  # what earlier exports of that left

    @classmethod
    def of(cls, classifier: Path, settings: Settings) -> Self:
        """That of a folder. Raises RunError where it holds none."""
        whole = saved_folder(classifier)
        if whole is None:
            raise RunError(f"{classifier.name} holds no classifier: train one, or name another run.")
        meta = read_meta(classifier)
        head = _head(whole) if meta.learned.head_only else None
        kept = Kept.of(settings, meta, head) if head else None
        return cls(classifier=classifier, whole=whole, meta=meta, settings=settings, head=head, kept=kept)

    @property
    def run(self) -> Run:
        """The training it came from."""
        return Run(self.classifier.parent)

    @property
    def title(self) -> str:
        """What it is called."""
        return title_of(self.run) if self.run.facts.options else " or ".join(self.meta.classes[:3])

    def graph(self) -> ModelProto | None:
        """The graph of its frozen backbone with its head, where one was exported before."""
        return self.kept.graph(self.head) if self.kept and self.head else None

    def remembered(self, paths: Sequence[Path]) -> Remembered | None:
        """The app's side, where an earlier export left enough of it; without torch."""
        if not (self.kept and self.head):
            return None
        return Remembered.of(self.classifier, self.meta, self.settings, self.kept, self.head, paths)

    def load(self) -> Loaded:
        """The app's side: the classifier itself. Raises RunError or WeightsError."""
        return Loaded.load(self.classifier, self.settings, self.kept, self.head)


def _head(folder: Path) -> Tensors | None:
    """The head that was saved alone; None where it cannot be used, of which loading the classifier says why."""
    try:
        head = head_tensors(load_file(folder / TENSORS))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None
    return head if all(np.isfinite(tensor).all() for tensor in head.values()) else None


def _app_and_graph(
    source: Source, paths: Sequence[Path], *, lite: bool
) -> Generator[Event, None, tuple[App, ModelProto]]:
    """The app's side and the network's graph: as they are remembered, if that is enough, else loaded and recorded."""
    graph = source.graph()
    if graph and not lite and (known := source.remembered(paths)):
        return known, graph
    loaded = yield from estimated("loading the classifier", 4.0, source.load)
    if graph is None:
        record = functools.partial(_recorded, source, loaded)
        graph = yield from estimated("recording the network", RECORDING_SECONDS, record)
    return loaded, graph


def _recorded(source: Source, app: Loaded) -> ModelProto:
    """The network as it is recorded: a frozen backbone once, whatever heads will stand on it."""
    graph = onnx.load_from_string(app.recorded())
    if source.kept and source.head:
        source.kept.add_graph(graph, source.head)
    return graph


def _whole(graph: ModelProto, source: Source, app: App) -> ModelProto:
    """The classifier from the bytes of a square to its probabilities."""
    rows = None if app.reference is None else app.reference.halves
    ending = Ending(classes=len(source.meta.classes), temperature=source.meta.temperature, reference=rows)
    return finished(graph, ending, app.preprocess.crop)


def _write_facts(source: Source, app: App, folder: Path) -> None:
    """What predict.py and the page read, the classes, and the code that both stand on."""
    report = read_report(source.run)
    least_sure, least_likeness = limits(app.reference)
    facts = {
        "format": FORMAT,
        "title": source.title,
        "classes": list(source.meta.classes),
        "model": FULL,
        "side": app.preprocess.crop,
        "square": dataclasses.asdict(app.preprocess.square),
        "short_side": app.preprocess.short_side,
        "least_sure": least_sure,
        "least_likeness": least_likeness,
        "sentence": f"{report['right']:,} of {plural(report['photos'], 'photo')} right" if report else "",
        "verified": None,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="ascii")
    (folder / "labels.txt").write_text("\n".join(source.meta.classes) + "\n", encoding="utf-8")
    for name in CODE:
        code = (PROJECT / "tl_engine" / name).read_text(encoding="utf-8")
        (folder / Path(name).name).write_text(code.replace("from tl_engine.photos.", "from "), encoding="utf-8")
    shutil.copyfile(PROJECT / "LICENSE", folder / "LICENSE")

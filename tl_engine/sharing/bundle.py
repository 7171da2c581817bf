"""A classifier as one zip that needs nothing of this program, checked against the app before anybody gets it."""

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tl_engine.base.errors import RunError, without_paths
from tl_engine.base.events import Event, Progress
from tl_engine.base.files import temporary
from tl_engine.base.progress import estimated
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.base.words import plural
from tl_engine.evaluation.report import read_report
from tl_engine.hub.card import model_card
from tl_engine.runs.meta import META, Meta
from tl_engine.runs.run import BEST, Run
from tl_engine.runs.saved_classifier import TENSORS, read_meta, saved_folder
from tl_engine.runs.titles import title_of
from tl_engine.sharing import verify
from tl_engine.sharing.verify import Agreement, Asked, DisagreementError

if TYPE_CHECKING:
    from tl_engine.classifiers.predictor import Predictor

FORMAT = 1  # of classifier.json
FULL, HALF, INT8, EXPORTED = "model.onnx", "model-float16.onnx", "model-int8.onnx", "model.pt2"
LITE = "model.tflite"
VARIANTS = {
    FULL: "float32",
    HALF: "float16",
    INT8: "int8",
    EXPORTED: "pt2",
    LITE: "tflite",
}  # as figures say
FACTS = "classifier.json"
CODE = ("photos/pixels.py", "photos/square.py", "sharing/predict.py")  # of this program, as they are
MOST_SLOW = 48  # photos that the slower formats are asked about
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
    whole = saved_folder(classifier)
    if whole is None:
        raise RunError(f"{classifier.name} holds no classifier: train one, or name another run.")
    meta, run = read_meta(classifier), Run(classifier.parent)
    predictor = yield from estimated("loading the classifier", 4.0, functools.partial(_loaded, classifier, settings))
    yield from _write_graphs(predictor, meta, whole, settings, folder)
    _write_facts(predictor, run, meta, folder)
    for name in (TENSORS, META):
        shutil.copyfile(whole / name, folder / name)
    agreements, photos = yield from _checked(predictor, run, folder, lite=lite)
    bundle = Bundle(folder=folder, photos=photos, agreements=agreements)
    card = model_card(run if classifier.name == BEST else Run(classifier), verified=bundle.verified["variants"])
    (folder / "README.md").write_text(card, encoding="utf-8")
    bundle.choose(FULL)
    verify.stamp(folder, bundle.verified)
    return bundle


def _loaded(classifier: Path, settings: Settings) -> "Predictor":
    from tl_engine.classifiers.predictor import Predictor  # torch takes seconds

    return Predictor.load(classifier, settings)


def _title(run: Run, meta: Meta) -> str:
    return title_of(run) if run.facts.options else " or ".join(meta.classes[:3])


def _write_graphs(
    predictor: "Predictor", meta: Meta, whole: Path, settings: Settings, folder: Path
) -> Generator[Event, None, None]:
    """The three ONNX files. A frozen backbone is recorded once, whatever heads stand on it."""
    import onnx
    import torch
    from safetensors.numpy import load_file

    from tl_engine.sharing import variants
    from tl_engine.sharing.graph import Ending, GraphCache, finished, head_tensors, with_head, write_graph

    cache, kept, key = GraphCache(settings), None, None
    if meta.learned.head_only:
        head = head_tensors(load_file(whole / TENSORS))
        key = cache.key(meta, head, {"torch": torch.__version__, "onnx": onnx.__version__})
        kept = cache.read(key)
        kept = kept if kept is not None and with_head(kept, head) else None
    if kept is None:
        from tl_engine.sharing.traced import Deployed, as_onnx, recorded

        content = yield from estimated(
            "recording the network", RECORDING_SECONDS, lambda: as_onnx(recorded(Deployed(predictor)))
        )
        kept = onnx.load_from_string(content)
        if key is not None:
            cache.add(key, content)
    reference = predictor.reference
    ending = Ending(
        classes=len(meta.classes), temperature=meta.temperature,
        reference=None if reference is None else reference.rows.half().numpy(),
    )  # fmt: skip
    graph = finished(kept, ending, predictor.preprocess.crop)
    for name, made in ((FULL, graph), (HALF, variants.half_weights(graph)), (INT8, variants.int8_weights(graph))):
        write_graph(made, folder / name)


def _write_facts(predictor: "Predictor", run: Run, meta: Meta, folder: Path) -> None:
    """What predict.py and the page read, the classes, and the code that both stand on."""
    from tl_engine.classifiers.answers import limits

    report = read_report(run)
    least_sure, least_likeness = limits(predictor.reference)
    facts = {
        "format": FORMAT,
        "title": _title(run, meta),
        "classes": list(meta.classes),
        "model": FULL,
        "side": predictor.preprocess.crop,
        "square": dataclasses.asdict(predictor.preprocess.square),
        "short_side": predictor.preprocess.short_side,
        "least_sure": least_sure,
        "least_likeness": least_likeness,
        "sentence": f"{report['right']:,} of {plural(report['photos'], 'photo')} right" if report else "",
        "verified": None,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="ascii")
    (folder / "labels.txt").write_text("\n".join(meta.classes) + "\n", encoding="utf-8")
    for name in CODE:
        source = (PROJECT / "tl_engine" / name).read_text(encoding="utf-8")
        (folder / Path(name).name).write_text(source.replace("from tl_engine.photos.", "from "), encoding="utf-8")
    shutil.copyfile(PROJECT / "LICENSE", folder / "LICENSE")


def _checked(
    predictor: "Predictor", run: Run, folder: Path, *, lite: bool
) -> Generator[Event, None, tuple[dict[str, Agreement], str]]:
    """Compare every file with the app on the same photos; a smaller copy that is not good enough is removed."""
    found: dict[str, Agreement] = {}
    with temporary(folder) as place:
        paths, called = verify.photos_of(run, Path(place))
        yield _step(0)
        seen = verify.seen_by_app(predictor, paths)
        if not seen:  # none that judged can be read any more
            paths, called = verify.made_pictures(Path(place))
            seen = verify.seen_by_app(predictor, paths)
        paths, pixels = list(seen), list(seen.values())
        with Asked(folder, FULL, paths) as asked:  # the app answers meanwhile
            app = verify.app_answers(predictor, pixels)
            found[FULL] = verify.compared(app, asked.answers(), paths)
        verify.check_whole(found[FULL])
        yield _step(1)
        # How a photo becomes a square is settled: the others are asked about the very squares, in this process.
        for name in (HALF, INT8):
            found[name] = _variant(functools.partial(verify.said_by_model, folder, name, pixels), app, paths)
        yield _step(2)
        few = slice(None, None, -(-len(paths) // MOST_SLOW))
        some = app[few], paths[few]
        found[EXPORTED] = _variant(lambda: _exported(predictor, pixels[few], folder / EXPORTED), *some)
        if lite:
            found[LITE] = _variant(lambda: _lite(predictor, pixels[few], folder / LITE), *some)
    for name, agreement in found.items():
        if agreement.left_out:
            (folder / name).unlink(missing_ok=True)
    yield _step(3)
    return found, called


def _step(done: int) -> Progress:
    return Progress(stage="checking it against the app", done=done, total=3)


def _variant(answers: Callable[[], verify.Answers], app: verify.Answers, paths: Sequence[Path]) -> Agreement:
    """How a copy agrees. One that is not good enough, or cannot be run, says why: it fails nothing else."""
    try:
        found = verify.compared(app, answers(), paths)
    except (DisagreementError, RuntimeError, TypeError, ValueError) as error:
        reason = without_paths(str(error).split("\n", 1)[0])[:200]
        return Agreement(photos=len(paths), same_class=0, largest_difference=1.0, left_out=reason)
    return dataclasses.replace(found, left_out=verify.why_left_out(found))


def _exported(predictor: "Predictor", pixels: Sequence[verify.Pixels], path: Path) -> verify.Answers:
    """Write the network as torch.export keeps it; what it says once it is read again."""
    from tl_engine.sharing.traced import said_by_exported, save_exported

    save_exported(predictor, path)
    return _by_class(predictor, said_by_exported(path, pixels))


def _lite(predictor: "Predictor", pixels: Sequence[verify.Pixels], path: Path) -> verify.Answers:
    """The same of the network as LiteRT runs it."""
    from tl_engine.sharing.traced import said_by_lite, save_lite

    save_lite(predictor, path)
    return _by_class(predictor, said_by_lite(path, pixels))


def _by_class(predictor: "Predictor", rows: NDArray[np.float32]) -> verify.Answers:
    return [{"probabilities": dict(zip(predictor.classes, row.tolist(), strict=True))} for row in rows]

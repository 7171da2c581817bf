"""The report of a run, made after its end from what it left: figures, mistakes, what would help, and small photos.

Kept as `report/report.json`, with the reason where something could not be made. A run stays finished whatever
becomes of it. No torch here until it computes.
"""

import contextlib
import json
import traceback
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from tl_engine.base.errors import DataError, EngineError, RunError, without_paths
from tl_engine.base.events import EpochEnd, Event, Progress
from tl_engine.base.files import write_whole
from tl_engine.base.settings import Settings
from tl_engine.evaluation.figures import figures, hardest, temperature_is_own
from tl_engine.evaluation.judged import FOLDS, Judged, read_judged
from tl_engine.evaluation.learning_curve import Learnt, learning_curve, redrawn
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.evaluation.sentences import sentences
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import read_meta

FORMAT = 1
REPORT = "report.json"
STAGES = 3  # of making it
MOST_EXPLAINED = 12  # mistakes, the surest first
GALLERY = 24  # photos of each class shown with what was said of them
TOO_FEW = "A learning curve needs at least four photos of each class to teach and some to judge: add photos."
FEATURES_STRATEGY = "feature-extraction"
OLD = "This training left no judged photos behind, as those of older versions did not: train again to get a report."


def read_report(run: Run) -> dict[str, Any] | None:
    """The report of a run if there is one; one of another version is none."""
    try:
        kept = json.loads((run.report / REPORT).read_text(encoding="utf-8"))
        return dict(kept) if kept["format"] == FORMAT and "accuracy" in kept else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def failed_report(run: Run) -> str | None:
    """Why there is no report, where making it was tried."""
    try:
        kept = json.loads((run.report / REPORT).read_text(encoding="utf-8"))
        return str(kept["failed"]) if "failed" in kept else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_report(run: Run, settings: Settings, repeats: int = 0) -> Generator[Event, None, dict[str, Any]]:
    """Make the report and keep it; `repeats` draws folds anew so often, to show the spread.

    Raises RunError where the run left nothing to report.
    """
    judged = read_judged(run.report)
    if not judged:
        raise RunError(OLD)
    meta = read_meta(run.best)
    first = next(iter(judged.values()))
    if first.logits.shape[1] != len(meta.classes):
        raise RunError("What this training left for its report does not fit its classifier: train again.")
    own = temperature_is_own(first, list(judged))
    report: dict[str, Any] = {"format": FORMAT, "run": run.name, "created": meta.created, "version": meta.versions}
    report |= figures(first, meta.classes, meta.temperature, own=own)
    report["others"] = [_other(other) for other in list(judged.values())[1:]]
    report["collect"] = hardest(judged.get(FOLDS, first), meta.classes)
    photos = RunPhotos.of(run)
    report["photos_here"] = photos.root is not None
    report["missing"] = []
    yield Progress(stage="making the report", done=1, total=STAGES)
    learnt = yield from _or_reason(report, "learning_curve", _features(run, photos, settings))
    report["learning_curve"] = learning_curve(learnt, len(meta.classes)) if learnt else None
    if learnt and report["learning_curve"] is None:
        report["missing"].append({"part": "learning_curve", "reason": TOO_FEW})
    report["repeats"] = redrawn(learnt, len(meta.classes), repeats) if learnt and repeats else None
    yield Progress(stage="making the report", done=2, total=STAGES)
    photos.keep_small(_wanted(run, first, report["gallery"]))
    with contextlib.suppress(EngineError, OSError):  # a backbone that is gone by now, a full disk
        _explain(report["mistakes"][:MOST_EXPLAINED], photos, run, settings)
    report["sentences"] = list(sentences(report, [e for e in run.events()[0] if isinstance(e, EpochEnd)]))
    with contextlib.suppress(OSError):  # a full disk, or a run that was deleted: it is shown all the same
        write_whole(run.report / REPORT, json.dumps(report).encode("ascii"))
    return report


def report_afterwards(run: Run, settings: Settings) -> Generator[Event, None, None]:
    """The same once a training has ended: nothing that happens here is the training's fault, and the reason is kept."""
    try:
        yield from make_report(run, settings)
    except Exception as error:
        if not isinstance(error, EngineError):
            traceback.print_exc()
        reason = str(error) if isinstance(error, EngineError) else without_paths(str(error).split("\n", 1)[0])
        with contextlib.suppress(OSError):
            write_whole(run.report / REPORT, json.dumps({"format": FORMAT, "failed": reason}).encode("ascii"))


def _other(judged: Judged) -> dict[str, Any]:
    right = int((judged.predicted == judged.labels).sum())
    return {"judged": judged.judge, "photos": len(judged.labels), "right": right, "chosen": judged.chosen}


def _or_reason(
    report: dict[str, Any], name: str, part: Generator[Event, None, Learnt | None]
) -> Generator[Event, None, Learnt | None]:
    """A part of the report; where it cannot be made, the reason in `missing`."""
    try:
        return (yield from part)
    except EngineError as error:
        report["missing"].append({"part": name, "reason": str(error)})
        return None


def _features(run: Run, photos: RunPhotos, settings: Settings) -> Generator[Event, None, Learnt | None]:
    """The photos as features, which the training left in the cache. Raises EngineError."""
    if run.facts.strategy != FEATURES_STRATEGY:
        raise RunError("A learning curve is shown for feature extraction, where a head is solved in milliseconds.")
    data = photos.folder()
    from tl_engine.inspection.folds import make_folds
    from tl_engine.networks.backbone import prepare_backbone
    from tl_engine.networks.embedder import Embedder
    from tl_engine.networks.models import flat_features
    from tl_engine.networks.runtime import make_runtime

    backbone = yield from prepare_backbone(run.facts.architecture, settings, fit=run.facts.options.get("fit", "crop"))
    embedded = yield from Embedder(backbone, make_runtime(backbone, settings), settings).look(data)
    there = [record for record in data.records if record.path not in embedded.unreadable]
    train, val = ([r for r in there if r.split == split] for split in ("train", "val"))
    if not train:
        raise DataError("No photo that taught this training can be read any more: what needs them is left out.")
    features = flat_features(embedded.plain(train)).cpu().numpy()
    labels = np.array([record.label for record in train], np.int64)
    if val:
        judges = flat_features(embedded.plain(val)).cpu().numpy()
        return Learnt(features, labels, judges, np.array([r.label for r in val], np.int64), None)
    folds = make_folds(train, embedded.hashes, embedded.tones(train), features, int(run.facts.options.get("seed", 0)))
    if folds is None:
        return None
    return Learnt(features, labels, features, labels, np.array(folds.number, np.int64))


def _explain(mistakes: Sequence[dict[str, Any]], photos: RunPhotos, run: Run, settings: Settings) -> None:
    """Keep of each of these mistakes what spoke for the class that was named. Raises EngineError."""
    there = [(entry, path) for entry in mistakes if (path := photos.path(entry["file"]))]
    if not there:
        return
    from tl_engine.classifiers.predictor import Predictor
    from tl_engine.explain.explained import explain

    predictor = Predictor.load(run.best, settings)
    for entry, path in there:
        found = explain(predictor, predictor.open(path), entry["predicted"])
        photos.keep_why(entry["file"], found.picture)


def _wanted(run: Run, judged: Judged, gallery: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Files of which report and Predict show small copies: the gallery, mistakes, some of each class, what taught."""
    yield from (entry["file"] for entry in gallery)
    wrong = np.flatnonzero(judged.predicted != judged.labels)
    yield from (judged.files[row] for row in wrong)
    for label in np.unique(judged.labels):
        yield from (judged.files[row] for row in np.flatnonzero(judged.labels == label)[:GALLERY])
    if (run.report / "reference.safetensors").is_file():
        from tl_engine.classifiers.reference import Reference

        reference = Reference.load(run.report)
        yield from reference.files if reference else ()

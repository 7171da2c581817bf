"""The data report: what is in a data set, what is wrong with it and why that matters, before any training.

Cached under the manifest's fingerprint: a second look costs milliseconds and no torch.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tl_engine.backbones.architectures import get_architecture
from tl_engine.backbones.weights import find_weights
from tl_engine.base.events import Event
from tl_engine.base.files import write_json
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import without
from tl_engine.data.manifest import Entry, Manifest, read_manifest
from tl_engine.data.mends import KEEP, Located
from tl_engine.inspection import label_check
from tl_engine.inspection.advice import advice
from tl_engine.inspection.duplicates import find_duplicates
from tl_engine.inspection.findings import Duplicates, Features, Finding, Report

FORMAT = 3  # of the cached report; another one is made anew
TINY = 64  # pixels of the short side under which a photo is a blur to the network
ODD_SHARE = 0.05  # of the files: a format that no more of them have is odd beside the others
KEPT_FIRST = ("val", "test", "train")  # the few photos to check with stay as many as they were
BLANK = "blank: one colour everywhere, so there is nothing to learn from"
MOST_ALIKE = 5  # pairs of classes told


def make_report(located: Located, settings: Settings, architecture: str) -> Generator[Event, None, Report]:
    """The report of a data set, as corrected. Raises DataError or WeightsError."""
    manifest = yield from read_manifest(located.root, settings, located.layout)
    manifest = located.applied_to_manifest(manifest)
    kept = settings.cache / "reports" / f"{_key(manifest, located, settings, architecture)}.json"
    if report := _cached(kept):
        return report
    from tl_engine.networks.embedder import embed_photos

    features, bad = yield from embed_photos(manifest.data, architecture, settings)
    report = _report(_without(manifest, bad), features, located)
    with contextlib.suppress(OSError):  # the cache only saves time
        write_json(kept, {"format": FORMAT, "report": report.to_dict()})
    return report


def _key(manifest: Manifest, located: Located, settings: Settings, architecture: str) -> str:
    source = find_weights(get_architecture(architecture), settings)
    corrected = [(mend.file, mend.action, mend.name) for mend in located.mends]
    files = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in (source.path, source.preprocess) if p]
    apart = [[entry.to_dict() for entry in manifest.data.left_out], manifest.data.junk]
    parts = [FORMAT, manifest.fingerprint, apart, corrected, architecture, source.label, files]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _cached(path: Path) -> Report | None:
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
        return Report.from_dict(kept["report"]) if kept["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _without(manifest: Manifest, bad: Mapping[Path, str]) -> Manifest:
    """Without the files that a small look could read but a whole one could not."""
    entries = tuple(e for e in manifest.entries if manifest.data.root / e.file not in bad)
    return Manifest(data=without(manifest.data, bad), entries=entries)


def _report(manifest: Manifest, features: Features, located: Located) -> Report:
    data, entries = manifest.data, manifest.entries
    labels = np.array([record.label for record in data.records], dtype=np.int64)
    judged = label_check.judge(features, labels, len(data.classes))
    approved = {mend.file for mend in located.mends if mend.action == KEEP}
    suspicious = [] if judged is None else _suspicious(label_check.doubts(judged, labels), manifest, approved)
    separability: dict[str, Any] = {}
    if judged is not None:
        alike = label_check.alike(judged, labels, data.classes)[:MOST_ALIKE]
        pairs = [{"classes": [one, other], "share": round(share, 4)} for one, other, share in alike]
        separability = {"accuracy": round(label_check.accuracy(judged, labels), 4), "alike": pairs}
    report = Report(
        classes=data.counts(),
        left_out=[entry.to_dict() for entry in data.left_out],
        junk=data.junk,
        converted=[{"file": e.file, "reason": "; ".join(e.look.converted)} for e in entries if e.look.converted],
        tiny=[{"file": e.file, "reason": _size(e)} for e in entries if min(e.look.width, e.look.height) < TINY],
        odd=_odd(entries),
        duplicates=_with_kept(find_duplicates(entries, features), entries, suspicious),
        suspicious_labels=suspicious,
        separability=separability,
        advice=[],
    )
    return dataclasses.replace(report, advice=[printable(sentence) for sentence in advice(report)])


def _suspicious(found: Sequence[label_check.Doubt], manifest: Manifest, approved: set[str]) -> list[dict[str, Any]]:
    classes, entries = manifest.data.classes, manifest.entries
    return [
        {
            "file": entries[doubt.index].file,
            "label": classes[doubt.label],
            "suggested": classes[doubt.suggested],
            "score": doubt.score,
        }
        for doubt in found
        if entries[doubt.index].file not in approved
    ]


def _with_kept(
    found: Sequence[Duplicates], entries: Sequence[Entry], suspicious: Sequence[dict[str, Any]]
) -> list[Duplicates]:
    """Name the one of each group that stays: of those whose label looks right, one to check with."""
    doubtful = {finding["file"] for finding in suspicious}
    splits = {entry.file: entry.split for entry in entries}

    def last_to_go(file: str) -> tuple[bool, int]:
        return file in doubtful, KEPT_FIRST.index(splits[file])

    return [dataclasses.replace(group, kept=min(group.files, key=last_to_go)) for group in found]


def _size(entry: Entry) -> str:
    return f"{entry.look.width} x {entry.look.height} pixels: enlarged, there is little to see"


def _odd(entries: Sequence[Entry]) -> list[Finding]:
    """Pictures that say nothing: blank ones; drawings and placeholders where nearly all others are photos."""
    blank = [{"file": e.file, "reason": BLANK} for e in entries if e.look.blank]
    return blank + _drawings([e for e in entries if not e.look.blank])


def _drawings(entries: Sequence[Entry]) -> list[Finding]:
    """Pictures of few colours where nearly all others have many."""
    few = [e for e in entries if any("palette" in c or "black and white" in c for c in e.look.converted)]
    if len(few) > ODD_SHARE * len(entries):
        return []
    reason = "a {} of few colours among photos: often a drawing or a placeholder"
    return [{"file": e.file, "reason": reason.format(e.look.format)} for e in few]

"""The card of a classifier, a README.md for the Hub or a bundle: what it knows, how good it is, what it does not know.

All of it comes from `report.json`, `meta.json` and the run's events; no photo's name, no folder and no run's name is in
it. What a person typed is text: it becomes neither markup nor YAML.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tl_engine.backbones.architectures import get_architecture
from tl_engine.base.errors import HubError
from tl_engine.base.events import DataRead
from tl_engine.base.words import FEW, percent, plural, score
from tl_engine.evaluation.judged import FOLDS, TEST
from tl_engine.evaluation.report import failed_report, read_report
from tl_engine.hub.card_words import Licences, for_timm, front_matter, licences, md, named, table, usage
from tl_engine.runs.find import classifier_of
from tl_engine.runs.meta import Meta
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import read_meta, saved_folder

MOST_CLASSES = 100  # with a row of their own; of more, these come first
MOST_PAIRS = 10
NOT_TOLD = ("data", "title")  # settings of a training that are private, or said elsewhere
WHO = {
    FOLDS: "each training photo, by a head that had not seen it or a copy of it (folds)",
    TEST: "photos of a test folder, looked at once",
    "val": "photos held out from training (validation)",
}


def classifier_at(run: Run) -> Path:
    """Where the classifier lies: a run's `best/`, or the folder itself, as of those that ship. Raises HubError."""
    found = classifier_of(run) or saved_folder(run.folder)
    if found is None:
        raise HubError(f"{run.name[:80]} holds no classifier: train one there, or name another run.")
    return found


def model_card(
    run: Run, *, repo: str | None = None, verified: Mapping[str, Any] | None = None, timm: bool | None = None
) -> str:
    """The card as Markdown with YAML in front: of a repository on the Hub if `repo` names one, else of a bundle.

    `verified`: of each export its "photos", "same_class" and "largest_difference" beside the app. `timm`: whether the
    files are in timm's layout; None: they are where they can be. Raises HubError where there is no classifier, RunError
    for a damaged one, ConfigError for a backbone that nobody knows.
    """
    meta = read_meta(classifier_at(run))
    row, report = get_architecture(meta.architecture), read_report(run)
    as_timm = repo is not None and (for_timm(meta, row) if timm is None else timm)
    terms = licences(meta, row, whole=as_timm or not meta.learned.head_only)
    parts = [
        front_matter(meta, row, terms, report, repo, as_timm=as_timm),
        f"# A classifier of {named(meta.classes, 4)}",
        *_what(meta, row.label),
        *_data(run, meta),
        *_judged(meta, report, failed_report(run)),
        *_verified(verified),
        *_limits(run, meta, report),
        *_training(meta),
        *_licence(terms, row.label),
        *usage(meta, row, repo, as_timm=as_timm),
    ]
    return "\n\n".join(parts) + "\n"


def _what(meta: Meta, label: str) -> Iterator[str]:
    number = len(meta.classes)
    yield (
        f"Given a photo, it says which of {plural(number, 'class', 'classes')} it shows, and how likely each is. "
        f"It stands on {md(label)}; {'only the last layer' if meta.learned.head_only else 'the whole network'} learnt."
    )
    yield f"Classes, in the order of its outputs: {named(meta.classes, MOST_CLASSES)}."


def _data(run: Run, meta: Meta) -> Iterator[str]:
    """Photos by class and split, as the training read them."""
    yield "## Photos"
    read = next((event for event in run.events()[0] if isinstance(event, DataRead)), None)
    if read is None:
        images = {split: number for split, number in (meta.figures.images if meta.figures else {}).items() if number}
        told = ", ".join(f"{plural(number, 'photo')} in {md(split)}" for split, number in images.items())
        yield f"{told}; how many of each class is not known." if told else "How many photos taught it is not known."
        return
    splits = [split for split in ("train", "val", "test") if read.photos(split)]
    rows = [[md(name), *(read.counts.get(name, {}).get(split, 0) for split in splits)] for name in read.classes]
    yield table(["class", *splits], rows[:MOST_CLASSES])
    if len(rows) > MOST_CLASSES:
        yield f"And {len(rows) - MOST_CLASSES} classes more."
    yield "The photos themselves are not published here."


def _judged(meta: Meta, report: Mapping[str, Any] | None, failed: str | None) -> Iterator[str]:
    yield "## How good it is"
    if report is None:
        yield f"There is no report of this classifier{f' ({md(failed)})' if failed else ''}."
        if figures := meta.figures:
            judges = figures.images.get("train" if figures.judge == FOLDS else "val", 0)
            yield (
                f"Its training counted {score(figures.val_accuracy, judges)}, judged by "
                f"{WHO.get(figures.judge, WHO['val'])}. On other photos expect a little less."
            )
        return
    low, high = report["interval"]
    yield (
        f"**{percent(report['accuracy'])}** were right: {report['right']:,} of {plural(report['photos'], 'photo')}. "
        f"On as many other photos of this kind it would be {percent(low)} to {percent(high)} (95 %). Judged by "
        f"{WHO.get(report['judged'], WHO['val'])}."
    )
    yield "\n".join(f"- {md(sentence)}" for sentence in report.get("sentences", [])[1:])
    yield "### Each class"
    rows = [
        [md(row["class"]), *(_share(row[figure]) for figure in ("precision", "recall", "f1")), row["support"]]
        for row in report["per_class"]
    ]
    yield table(["class", "precision", "recall", "F1", "photos"], rows[:MOST_CLASSES])
    if pairs := report["pairs"][:MOST_PAIRS]:
        yield "### What it confuses"
        yield table(
            ["shown", "taken for", "photos", "of"],
            [[md(pair["true"]), md(pair["predicted"]), pair["photos"], pair["of"]] for pair in pairs],
        )
    yield "### How sure it may be"
    yield (
        f"Divide its logits by the temperature {report['temperature']:.3f} before the softmax. Its probabilities are "
        f"then off by {report['calibration_error']:.3f} on average; perfect ones would show up to "
        f"{report['perfect_calibration_error']:.3f} with so many photos."
    )


def _share(fraction: float | None) -> str:
    return "-" if fraction is None else percent(fraction)


def _verified(verified: Mapping[str, Any] | None) -> Iterator[str]:
    if verified:
        yield "## Compared with the program that trained it"
        rows = [
            [md(str(variant)), facts["photos"], facts["same_class"], f"{facts['largest_difference']:.1g}"]
            for variant, facts in verified.items()
        ]
        yield table(["file", "photos", "same class", "largest difference of a probability"], rows)


def _limits(run: Run, meta: Meta, report: Mapping[str, Any] | None) -> Iterator[str]:
    yield "## What it does not know"
    limits = [
        "It knows its own classes only, and names one of them for whatever it is shown.",
        "A similar kind that it has no class for is its weak spot: it is often taken for one of its own, and surely.",
        "How good it is was judged on photos from the same source as those that taught it; others may be harder.",
    ]
    if (run.report / "reference.safetensors").is_file():
        limits.append(
            "It can say that a photo is unlike anything it was shown: for that the features (no pictures, no names) of "
            "some training photos are kept in `reference.safetensors`."
        )
    if report is not None and report["chosen"]:
        limits.append(
            f"Epoch {report['epoch']} of {report['epochs']} was chosen by the very photos that judged it, so on others "
            "it will do a little worse."
        )
    if report is not None and report["photos"] < FEW:
        limits.append(f"Only {plural(report['photos'], 'photo')} judged it: too few to say how good it is.")
    if (
        len(meta.classes) > 1
        and report is not None
        and (absent := [r for r in report["per_class"] if not r["support"]])
    ):
        limits.append(f"No photo judged {named([r['class'] for r in absent], 10)}.")
    yield "\n".join(f"- {limit}" for limit in limits)


def _training(meta: Meta) -> Iterator[str]:
    yield "## How it was trained"
    rows = [[md(name), md(str(value))] for name, value in meta.config.items() if name not in NOT_TOLD]
    rows += [[f"version of {md(name)}", md(str(version))] for name, version in meta.versions.items()]
    numbers = {name: md(str(value)) for name, value in meta.preprocessing.items()}
    yield (
        f"Weights that it began with: {md(meta.backbone.weights)}. Pictures: short side to {numbers['resize']} "
        f"pixels, then {numbers.get('fit', 'crop')} to {numbers['crop']} x {numbers['crop']}, "
        f"{numbers.get('interpolation', 'bilinear')}."
    )
    yield table(["setting", "value"], rows) if rows else "Its settings are not known."


def _licence(terms: Licences, label: str) -> Iterator[str]:
    yield "## Licence"
    yield (
        f"The program that made it and this card's code: Apache-2.0 (`LICENSE`). The weights of {md(label)} that it "
        f"stands on: {md(terms.backbone)}.{terms.note} Which photos taught it, and on what terms, only who published "
        "it can say."
    )

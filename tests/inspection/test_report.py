"""The data report on a data set with one of each fault: what it finds and advises, and that it is computed once."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Inspected, MakeImages
from tests.data.test_manifest import changed
from tl_engine.base.errors import DataError
from tl_engine.base.events import Event, Progress
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.data.mends import DROP, KEEP, RELABEL, Located, Mend
from tl_engine.inspection.findings import Report
from tl_engine.inspection.report import make_report

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT = "efficientnet_lite0"
FLIPPED, TWIN, TRUE = "train/temple/flipped.jpg", "train/flower/twin.jpg", "train/temple/08.jpg"


def report_of(folder: Path, settings: Settings, *mends: Mend) -> tuple[Report, int]:
    """The report, and how many photos went through the backbone for it."""
    told: list[Event] = []
    report = watched(make_report(Located(root=folder, mends=mends), settings, DEFAULT), told.append)
    embedded = [event.total for event in told if isinstance(event, Progress) and event.stage == "embedding photos"]
    return report, max(embedded, default=0)


def doubted(report: Report) -> list[str]:
    return [finding["file"] for finding in report.suspicious_labels]


# --- what it finds ---------------------------------------------------------------------------------------------------


def test_photos_are_counted_by_class_and_split(inspected: Inspected) -> None:
    assert inspected.report.classes == {"flower": {"train": 14, "val": 5}, "temple": {"train": 12, "val": 5}}


def test_every_planted_fault_is_named_with_a_reason(inspected: Inspected) -> None:
    def named(findings: list[dict[str, str]]) -> dict[str, str]:
        return {finding["file"]: finding["reason"] for finding in findings}

    left_out = named(inspected.report.left_out)
    assert set(left_out) == {"train/temple/notes.txt", "train/flower/cut.jpg"}
    assert "cut.jpg is cut short" in left_out["train/flower/cut.jpg"]
    assert named(inspected.report.converted) == {
        "train/flower/drawing.gif": "a palette of few colours",
        "train/flower/print.jpg": "CMYK, colours of print",
        "train/flower/rotated.jpg": "rotated as its camera noted",
    }
    assert named(inspected.report.tiny) == {"val/temple/small.jpg": "40 x 40 pixels: enlarged, there is little to see"}
    assert list(named(inspected.report.odd)) == ["train/flower/drawing.gif"]


def test_every_planted_duplicate_is_found_and_no_other(inspected: Inspected) -> None:
    assert [(set(d.files), d.kind, d.across_splits, d.across_classes) for d in inspected.report.duplicates] == [
        ({"train/flower/00.jpg", "val/flower/twin.jpg"}, "exact", True, False),
        ({TWIN, TRUE}, "exact", False, True),
        ({"train/temple/07.jpg", "train/temple/copy.jpg"}, "near", False, False),
    ]


def test_the_one_that_stays_has_a_label_nobody_doubts_and_is_rather_one_to_check_with(inspected: Inspected) -> None:
    assert [d.kept for d in inspected.report.duplicates] == [
        "val/flower/twin.jpg",
        TRUE,  # and not the one in flower/, whose label is doubted
        "train/temple/07.jpg",
    ]


def test_the_wrong_labels_are_the_most_suspicious(inspected: Inspected) -> None:
    assert set(doubted(inspected.report)[:2]) == {FLIPPED, TWIN}
    suggested = {
        finding["file"]: (finding["label"], finding["suggested"]) for finding in inspected.report.suspicious_labels
    }
    assert suggested[FLIPPED] == ("temple", "flower")
    assert suggested[TWIN] == ("flower", "temple")
    scores = [finding["score"] for finding in inspected.report.suspicious_labels]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_how_far_apart_the_classes_are_is_told(inspected: Inspected) -> None:
    assert 0.8 < inspected.report.separability["accuracy"] < 1
    (pair,) = inspected.report.separability["alike"]
    assert pair["classes"] == ["flower", "temple"]
    assert 0 < pair["share"] < 0.2


# --- what it advises -------------------------------------------------------------------------------------------------


def test_advice_is_plain_sentences_with_what_matters_most_first(inspected: Inspected) -> None:
    number = len(inspected.report.suspicious_labels)
    assert inspected.report.advice[:-1] == [
        "1 photo is in training and in validation at once: the result will look better than it is; keep one of each, "
        "on one side.",
        "1 photo is in two classes at once: one of the labels must be wrong.",
        "1 photo is there more than once: each copy counts again; keep one of each.",
        f"{number} photos are labelled unlike the photos around: look at them, the likeliest first.",
        "10 validation photos: differences under 21 points are noise.",
        "Fewer than 20 training photos: flower, temple; more photos would help most there.",
        "2 files take no part; each is named with the reason.",
        "1 photo is tiny: val/temple/small.jpg.",
        "1 photo is odd: train/flower/drawing.gif.",
        "3 photos were converted to upright RGB; nothing is to be done.",
    ]
    assert inspected.report.advice[-1].startswith("Before any training, ")
    assert "the most alike are flower and temple (" in inspected.report.advice[-1]


def test_blank_pictures_are_odd_and_said_to_be_blank(make_images: MakeImages, inspected: Inspected) -> None:
    folder = make_images(each=2, side=64)
    for number in range(2):  # half of a class: many of them are no less blank
        Image.new("RGB", (64, 64), "white").save(folder / "red" / f"{number}.png")
    report, _ = report_of(folder, inspected.settings)
    assert [finding["file"] for finding in report.odd] == ["red/0.png", "red/1.png"]
    assert all("blank" in finding["reason"] for finding in report.odd)


def test_four_tiny_photos_are_not_all_listed(make_images: MakeImages, inspected: Inspected) -> None:
    report, _ = report_of(make_images(each=2), inspected.settings)
    assert "4 photos are tiny: blue/0.png, blue/1.png, red/0.png and 1 more." in report.advice


# --- which data ------------------------------------------------------------------------------------------------------


def test_all_photos_of_data_without_a_validation_folder_teach_and_check(
    make_images: MakeImages, inspected: Inspected
) -> None:
    report, _ = report_of(make_images(), inspected.settings)
    assert report.classes == {"blue": {"train": 6}, "red": {"train": 6}}
    assert any("All 12 photos teach and check" in sentence for sentence in report.advice)


def test_a_class_with_one_readable_photo_cannot_be_judged_and_the_rest_is_told(
    make_images: MakeImages, inspected: Inspected
) -> None:
    folder = make_images(each=4)
    for number in range(3):
        cut = folder / "red" / f"{number}.png"
        cut.write_bytes(cut.read_bytes()[:-300])
    report, _ = report_of(folder, inspected.settings)
    assert (report.suspicious_labels, report.separability) == ([], {})
    assert sum(report.classes["red"].values()) == 1
    assert len(report.left_out) == 3
    assert report.advice[-1] == "5 photos are tiny: blue/0.png, blue/1.png, blue/2.png and 2 more."


def test_when_no_photo_can_be_read_one_sentence_says_so(make_images: MakeImages, inspected: Inspected) -> None:
    folder = make_images("my photos", each=2)
    for path in folder.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError) as caught:
        report_of(folder, inspected.settings)
    text = str(caught.value)
    assert text.startswith("No photo in my photos takes part")
    assert str(folder.parent) not in text


# --- computed once ---------------------------------------------------------------------------------------------------


def test_a_second_report_computes_nothing(inspected: Inspected, tmp_path: Path) -> None:
    settings = dataclasses.replace(inspected.settings, cache=tmp_path / "cache")
    shutil.copytree(inspected.settings.cache, settings.cache)
    shutil.rmtree(settings.cache / "features")  # to embed again would fill it again
    assert report_of(inspected.folder, settings) == (inspected.report, 0)
    assert not (settings.cache / "features").exists()


def test_a_second_report_needs_no_torch(inspected: Inspected) -> None:
    paths = (inspected.folder, inspected.settings.backbones, inspected.settings.cache)
    code = f"""
import sys
from pathlib import Path
from tl_engine.inspection.report import make_report
from tl_engine.data.mends import Located
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
root, backbones, cache = map(Path, {[str(path) for path in paths]!r})
settings = Settings(backbones=backbones, cache=cache)
report = watched(make_report(Located(root=root), settings, {DEFAULT!r}), lambda event: None)
print(len(report.duplicates), [name for name in ("torch", "timm", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "3 []"


@pytest.mark.slow
def test_a_damaged_report_in_the_cache_is_made_anew(
    make_images: MakeImages, inspected: Inspected, tmp_path: Path
) -> None:
    folder, settings = make_images(each=2), dataclasses.replace(inspected.settings, cache=tmp_path / "cache")
    report, _ = report_of(folder, settings)
    (kept,) = (settings.cache / "reports").iterdir()
    whole = json.loads(kept.read_text())
    for damage in ("[", json.dumps(whole | {"report": {}}), json.dumps(whole | {"format": 0})):
        kept.write_text(damage)
        assert report_of(folder, settings)[0] == report
        assert json.loads(kept.read_text()) == whole


@pytest.mark.slow
def test_only_new_photos_are_embedded_for_the_next_report(
    make_images: MakeImages, inspected: Inspected, tmp_path: Path
) -> None:
    folder, settings = make_images(each=3), dataclasses.replace(inspected.settings, cache=tmp_path / "cache")
    assert report_of(folder, settings)[1] == 6
    changed(folder / "red" / "new.png")
    report, embedded = report_of(folder, settings)
    assert embedded == 1
    assert sum(report.classes["red"].values()) == 4


def test_a_cache_that_cannot_be_written_costs_only_time(
    make_images: MakeImages, inspected: Inspected, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    folder, settings = make_images(each=2), dataclasses.replace(inspected.settings, cache=tmp_path / "cache")
    report, embedded = report_of(folder, settings)
    assert embedded == 4
    assert len(report.classes) == 2


# --- mends -----------------------------------------------------------------------------------------------------------


def test_a_label_that_was_kept_is_doubted_no_more(inspected: Inspected) -> None:
    report, embedded = report_of(inspected.folder, inspected.settings, Mend(file=FLIPPED, action=KEEP))
    assert embedded == 0
    assert doubted(report) == [file for file in doubted(inspected.report) if file != FLIPPED]
    assert report.classes == inspected.report.classes


def test_a_relabelled_photo_has_its_new_class(inspected: Inspected) -> None:
    mend = Mend(file=FLIPPED, action=RELABEL, name="flower")
    report, _ = report_of(inspected.folder, inspected.settings, mend)
    assert report.classes == {"flower": {"train": 15, "val": 5}, "temple": {"train": 11, "val": 5}}
    assert FLIPPED not in doubted(report)


def test_a_dropped_photo_is_left_out_and_no_duplicate_any_more(inspected: Inspected) -> None:
    mend = Mend(file=TWIN, action=DROP, reason="blurred")
    report, _ = report_of(inspected.folder, inspected.settings, mend)
    assert {"file": TWIN, "reason": "blurred"} in report.left_out
    assert TWIN not in {file for group in report.duplicates for file in group.files}
    assert TWIN not in doubted(report)
    assert report.classes["flower"]["train"] == 13
    assert "1 photo is in two classes at once: one of the labels must be wrong." not in report.advice


def test_a_report_comes_back_from_json_as_it_was(inspected: Inspected) -> None:
    assert Report.from_dict(json.loads(json.dumps(inspected.report.to_dict()))) == inspected.report

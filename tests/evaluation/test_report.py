"""A report of a training that really ran: who judged, what was found, and what is told where something is gone."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLOURS, MakeImages, own_settings
from tl_engine.base.errors import RunError
from tl_engine.base.events import Event, Progress
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.data.scan import scan
from tl_engine.evaluation.html import csv_rows, whole_page
from tl_engine.evaluation.judged import FOLDS, Judged
from tl_engine.evaluation.report import make_report, read_report, report_afterwards
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.evaluation.sentences import headline
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.queue import create
from tl_engine.runs.run import Run
from tl_engine.training.trainer import Training, train

pytestmark = pytest.mark.usefixtures("one_thread")


def trained(folder: Path, settings: Settings, **options: Any) -> Run:
    """A run of a few epochs, in its own folder and with its log."""
    config = TrainConfig.from_options({"data": str(folder), "epochs": 8, "batch_size": 4, **options})
    run = create(config, settings, "run", title="Two colours")
    data = scan(folder, settings.limits)
    for event in train(Training(config=config, data=data, folder=run.folder, settings=settings)):
        run.log(event)
    assert run.state() == "finished"
    return run


def reported(run: Run, settings: Settings) -> dict[str, Any]:
    return watched(make_report(run, settings), lambda _event: None)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Settings]:
    """One run of two classes for all tests that leave its photos as they are; they change copies of its folder."""
    place = tmp_path_factory.mktemp("reported")
    random = np.random.default_rng(0)
    for label in ("red", "blue"):
        (place / "colours" / label).mkdir(parents=True)
        for index in range(6):
            pixels = np.asarray(COLOURS[label]) + random.integers(-25, 25, (16, 16, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(place / "colours" / label / f"{index}.png")
    settings = own_settings(place)
    return trained(place / "colours", settings), settings


def copied(run: Run, place: Path) -> Run:
    return Run(Path(shutil.copytree(run.folder, place / "copied")))


def splits(make_images: MakeImages, place: Path, names: tuple[str, ...]) -> Path:
    for split in names:
        make_images(f"splits/{split}")
    return place / "splits"


def test_a_report_tells_what_was_judged_and_is_kept(colours: tuple[Run, Settings], tmp_path: Path) -> None:
    run, settings = copied(colours[0], tmp_path), colours[1]
    told: list[Event] = []
    report = watched(make_report(run, settings), told.append)
    assert (report["judged"], report["photos"], report["right"], report["accuracy"]) == (FOLDS, 12, 12, 1.0)
    assert report["interval"] == pytest.approx([0.758, 1.0], abs=1e-3)
    assert report["classes"] == ["blue", "red"]
    assert [(row["class"], row["recall"], row["support"]) for row in report["per_class"]] == [
        ("blue", 1.0, 6),
        ("red", 1.0, 6),
    ]
    assert report["confusion"] == [[6, 0], [0, 6]]
    assert report["temperature"] == 1.0  # nothing was wrong
    assert 0 < report["log_loss"] < 0.7
    assert 0 <= report["calibration_error"] < 0.5
    assert (report["mistakes"], report["pairs"], report["others"], report["missing"]) == ([], [], [], [])
    assert report["photos_here"] is True
    assert report["learning_curve"]["points"][-1]["accuracy"] == 1.0
    assert report["sentences"][0].startswith("Each photo was judged by a head that had not seen it: 12 of 12 right.")
    assert headline(report) == "12 of 12 right"
    assert read_report(run) == report
    assert [event.done for event in told if isinstance(event, Progress) and event.stage == "making the report"] == [
        1,
        2,
    ]


@pytest.mark.slow
def test_small_copies_of_judged_photos_travel_with_the_run(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    run = trained(folder, settings)
    reported(run, settings)
    shutil.rmtree(folder)
    photos = RunPhotos.of(run)
    assert all(photos.small(f"{label}/{n}.png") for label in ("red", "blue") for n in range(6))
    assert photos.path("red/0.png") is None
    assert photos.small("red/../../config.json") is None


@pytest.mark.slow
def test_every_photo_that_the_report_shows_has_its_small_copy(
    make_images: MakeImages, settings: Settings, tmp_path: Path
) -> None:
    make_images("splits/train", each=2)
    make_images("splits/val", each=40)  # more of a class than are copied without being shown
    run = trained(tmp_path / "splits", settings)
    report, photos = reported(run, settings), RunPhotos.of(run)
    assert len(report["gallery"]) == 12
    assert [
        entry["file"] for entry in (*report["gallery"], *report["mistakes"]) if not photos.small(entry["file"])
    ] == []


@pytest.mark.slow
def test_photos_of_a_validation_folder_judge_where_there_is_one(
    make_images: MakeImages, settings: Settings, tmp_path: Path
) -> None:
    report = reported(trained(splits(make_images, tmp_path, ("train", "val")), settings), settings)
    assert (report["judged"], report["photos"], report["chosen"]) == ("val", 12, False)
    assert [(other["judged"], other["photos"]) for other in report["others"]] == [(FOLDS, 12)]
    assert report["sentences"][0].startswith("Judged on photos that it did not learn from")
    assert report["learning_curve"]["points"][-1]["photos"] == 12  # others judge, so all of them teach


@pytest.mark.slow
def test_photos_of_a_test_folder_judge_before_all_others(
    make_images: MakeImages, settings: Settings, tmp_path: Path
) -> None:
    report = reported(trained(splits(make_images, tmp_path, ("train", "val", "test")), settings), settings)
    assert (report["judged"], report["photos"], report["chosen"]) == ("test", 12, False)
    assert [other["judged"] for other in report["others"]] == ["val", FOLDS]
    assert report["sentences"][0].startswith("Judged once, on the photos of the test folder")


@pytest.mark.slow
def test_an_epoch_chosen_by_its_judges_is_told(make_images: MakeImages, settings: Settings) -> None:
    report = reported(trained(make_images(), settings, optimizer="adamw", val_fraction=0.5), settings)
    assert (report["judged"], report["photos"], report["chosen"], report["epochs"]) == ("val", 6, True, 8)
    assert any("was chosen by these photos" in sentence for sentence in report["sentences"])


def test_without_its_data_a_report_is_made_and_says_what_is_missing(
    make_images: MakeImages, settings: Settings
) -> None:
    folder = make_images()
    run = trained(folder, settings)
    shutil.rmtree(folder)
    report = reported(run, settings)
    assert (report["accuracy"], report["photos_here"], report["learning_curve"]) == (1.0, False, None)
    (missing,) = report["missing"]
    assert missing["part"] == "learning_curve"
    assert "no longer here" in missing["reason"]
    assert read_report(run) == report
    page = whole_page(run, report, RunPhotos.of(run))
    assert "no longer here" in page


@pytest.mark.slow
def test_without_some_of_its_photos_a_report_is_made_of_those_that_are_left(
    make_images: MakeImages, settings: Settings
) -> None:
    folder = make_images()
    run = trained(folder, settings)
    (folder / "red" / "0.png").unlink()
    (folder / "blue" / "1.png").write_bytes(b"gone bad")
    report = reported(run, settings)
    assert (report["photos"], report["missing"]) == (12, [])  # what was judged stays judged
    assert report["learning_curve"] is not None


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_run_that_is_deleted_meanwhile_is_not_made_again(
    colours: tuple[Run, Settings], tmp_path: Path, after: int
) -> None:
    run, settings = copied(colours[0], tmp_path), colours[1]
    stages = 0
    if after == 0:
        shutil.rmtree(run.folder)
    for event in report_afterwards(run, settings):
        if isinstance(event, Progress) and event.stage == "making the report":
            stages += 1
            if stages == after:
                shutil.rmtree(run.folder)
    assert stages == (2 if after else 0)
    assert not run.folder.exists()


def test_a_run_that_left_nothing_says_so_and_keeps_the_reason(tmp_path: Path, settings: Settings) -> None:
    run = Run(tmp_path / "old")
    run.report.mkdir(parents=True)
    with pytest.raises(RunError, match="train again to get a report"):
        reported(run, settings)
    assert list(report_afterwards(run, settings)) == []
    assert "train again" in json.loads((run.report / "report.json").read_text())["failed"]
    assert read_report(run) is None


def test_judged_photos_of_another_classifier_are_refused(colours: tuple[Run, Settings], tmp_path: Path) -> None:
    run, settings = copied(colours[0], tmp_path), colours[1]
    kept = Judged.read(run.report, FOLDS)
    assert kept is not None
    three = Judged(judge=FOLDS, files=kept.files, labels=kept.labels, logits=kept.logits[:, [0, 1, 1]], epoch=1,
                   epochs=1, chosen=False)  # fmt: skip
    three.write(run.report)
    with pytest.raises(RunError, match="does not fit its classifier"):
        reported(run, settings)


@pytest.mark.parametrize(
    "kept", ["", "[]", "null", '{"format": 1}', '{"format": 1, "failed": "x"}', '{"format": 0, "accuracy": 1}']
)
def test_a_report_that_is_damaged_or_of_another_version_is_none(tmp_path: Path, kept: str) -> None:
    run = Run(tmp_path / "run")
    assert read_report(run) is None
    run.report.mkdir(parents=True)
    (run.report / "report.json").write_text(kept)
    assert read_report(run) is None


@pytest.mark.slow
def test_names_are_text_on_the_page_and_nothing_in_it_runs(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images(classes=("red", "<b>x", "<script>alert(1)"))
    (folder / "red" / "0.png").rename(folder / "<b>x" / "<img src=x>.png")  # a mistake, to be shown
    run = trained(folder, settings)
    report = reported(run, settings)
    assert report["classes"] == ["<b>x", "<script>alert(1)", "red"]
    assert report["mistakes"]
    page = whole_page(run, report, RunPhotos.of(run))
    assert "&lt;b&gt;x" in page
    for forbidden in ("<script", "<b>", "<img src=x", "http://", "https://"):
        assert forbidden not in page.replace("http://www.w3.org/2000/svg", "")
    assert "data:image/jpeg;base64," in page
    assert page.count("<table") == page.count("</table>") == 2


@pytest.mark.slow
def test_a_table_of_the_figures_has_a_row_for_each_class(colours: tuple[Run, Settings], tmp_path: Path) -> None:
    run, settings = copied(colours[0], tmp_path), colours[1]
    head, blue, red = csv_rows(reported(run, settings))
    assert list(head) == ["class", "precision", "recall", "f1", "photos", "taken for blue", "taken for red"]
    assert list(blue) == ["blue", 1.0, 1.0, 1.0, 6, 6, 0]
    assert list(red) == ["red", 1.0, 1.0, 1.0, 6, 0, 6]

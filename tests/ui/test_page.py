"""The page's handlers as plain functions: what is shown, what is refused, who sees what."""

import csv
import dataclasses
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
import pytest
from PIL import Image

from app import parse
from tests.conftest import MakeImages
from tl_engine.base.errors import ConfigError, DataError, EngineError, ImageError, RunError, without_paths
from tl_engine.base.events import DataRead, EpochEnd, Event, FileSkipped, Note, Progress, RunEnded, RunStarted
from tl_engine.base.settings import HOME, SHARED, Settings
from tl_engine.classifiers.answers import Answer
from tl_engine.jobs.worker import run_command
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run, list_runs
from tl_engine.workspaces import data_choices, start
from tl_engine.workspaces.forget import delete_everything
from tl_engine.workspaces.workspace import Workspace, new_token, open_run, stoppable
from ui.gate.persons import PUPIL, TEACHER
from ui.photos.summary import summary_html
from ui.predict.classifiers import choices as classifier_choices
from ui.predict.tab import PredictTab, write_csv
from ui.serving.access import codes_for, settings_for, tell_codes
from ui.train.curves import Curve
from ui.train.form import backbone_choices
from ui.train.form import settings_for as form_settings
from ui.train.plots import accuracy_plot
from ui.train.run_view import EventReader, RunView, log_html, view
from ui.train.status import status_html

pytestmark = pytest.mark.usefixtures("unserved")

OWNER, OTHER = "a" * 32, "b" * 32
MARKUP = "<img src=x onerror=alert(1)>"


def a_run(settings: Settings, name: str, workspace: str | None = OWNER, **options: Any) -> Run:
    config = TrainConfig.from_options({"data": "digits", "epochs": 3, **options})
    return queue.create(config, settings, name, workspace=workspace)


def epoch(number: int, accuracy: float = 0.5, loss: float | None = 0.7) -> EpochEnd:
    return EpochEnd(
        epoch=number,
        epochs=9,
        phase="head",
        train_loss=loss,  # type: ignore[arg-type]
        train_accuracy=accuracy,
        val_loss=loss,  # type: ignore[arg-type]
        val_accuracy=accuracy,
        learning_rate=0.1,
        best=True,
        seconds=1.0,
    )


def ended(state: str, reason: str = "all epochs done", best: float | None = 0.9) -> RunEnded:
    return RunEnded(state=state, reason=reason, run_folder="x", best_val_accuracy=best, best_epoch=2, seconds=65.0)


def shown(run: Run, state: str, *events: Event, place: int = 0) -> RunView:
    return RunView(run, state, list(events), place)


class FakePredictor:
    """Knows two classes and refuses what the real door refuses."""

    def open(self, path: Path) -> Image.Image:
        if "bad" in path.name:
            raise ImageError(f"{path.name} is damaged and cannot be read: save or copy it again.")
        return Image.new("RGB", (8, 8))

    def answer(self, _image: Image.Image, _kept: float = 0.98) -> Answer:
        said = {"=cats": 0.75, "dogs": 0.25}
        return Answer(probabilities=said, raw=said, verdict="ok", nearest=())

    def ask(self, path: Path, _kept: float = 0.98) -> tuple[Answer, Image.Image]:
        picture = self.open(path)
        return self.answer(picture), picture

    def ask_of_many(self, path: Path, _kept: float = 0.98) -> Answer:
        return self.ask(path)[0]


class FakePool:
    def get(self, name: str) -> FakePredictor:
        if name == "gone":
            raise RunError("There is no run or classifier 'gone': name a run.")
        return FakePredictor()

    def here(self, _name: str) -> bool:
        return True


def test_status_says_how_it_went_in_words(here: Settings) -> None:
    data = DataRead(classes=["a"], counts={"a": {"train": 80, "val": 20}})
    words = status_html(shown(a_run(here, "one"), "finished", data, epoch(1), epoch(2, 0.9), ended("finished")))
    assert "Finished: 18 of 20 right" in words  # so few are counted
    assert "%" not in words
    assert str(here.runs.parent) not in words
    worse = dataclasses.replace(epoch(3, 0.85), best=False)
    many = DataRead(classes=["a"], counts={"a": {"train": 80, "val": 200}})
    words = status_html(shown(a_run(here, "two"), "finished", many, epoch(2, 0.9), worse, ended("finished")))
    assert "Finished: 90.0 %" in words
    assert "180 of 200 validation photos right" in words
    assert "best epoch, 2 of 9, the last one 85.0 %" in words
    assert "1 min 5 s" in words


@pytest.mark.parametrize(
    ("state", "events", "sentence"),
    [
        ("queued", [], "2 trainings before this one"),
        ("running", [], "starting the training process"),
        ("running", [epoch(1, 0.6)], "Best so far: 60.0 % in epoch 1."),
        ("interrupted", [epoch(4)], "died at epoch 4"),
        ("interrupted", [epoch(4)], "What epoch 4 had learned is kept"),
        ("failed", [ended("failed", "The training diverged.", None)], "The training diverged."),
        ("stopped", [ended("stopped", "stopped on request", None)], "No epoch had ended"),
        ("stopped", [], "Stopped before it began."),
    ],
)
def test_every_state_has_its_sentence(state: str, events: list[Event], sentence: str, here: Settings) -> None:
    assert sentence in status_html(shown(a_run(here, "one"), state, *events, place=2))


def test_an_interrupted_run_tells_the_last_error_of_its_process(here: Settings) -> None:
    run = a_run(here, "one")
    (run.folder / "stderr.txt").write_text("Traceback ...\nRuntimeError: CUDA <b>exploded</b>\n")
    words = status_html(shown(run, "interrupted"))
    assert "CUDA &lt;b&gt;exploded" in words


def test_progress_says_what_how_far_and_how_long(here: Settings) -> None:
    going = Progress(stage="embedding", done=50, total=200, seconds_left=90.0)
    words = status_html(shown(a_run(here, "one"), "running", going))
    assert 'value="0.250"' in words
    assert "50 of 200, about 1 min 30 s left" in words


def test_nothing_from_outside_becomes_markup(here: Settings) -> None:
    run = a_run(here, "one")
    skipped = FileSkipped(file=MARKUP, reason=MARKUP)
    started = RunStarted(run_folder="x", config={"architecture": MARKUP, "strategy": "s", "epochs": 1}, process_id=1)
    for page in (
        log_html(shown(run, "running", started, skipped, Note(message=MARKUP))),
        status_html(shown(run, "failed", ended("failed", MARKUP, None))),
        status_html(shown(run, "running", Progress(stage=MARKUP, done=1, total=2))),
        accuracy_plot([Curve(MARKUP, [(1, 0.5)])]),
    ):
        assert "<img" not in page


def test_the_log_keeps_its_last_lines(here: Settings) -> None:
    lines = log_html(shown(a_run(here, "one"), "running", *(Note(message=f"line {i}") for i in range(500))))
    assert "300 earlier lines" in lines
    assert "line 499" in lines
    assert "line 299<" not in lines


def test_logs_are_read_on_from_where_they_were_left(here: Settings) -> None:
    run, reader = a_run(here, "one"), EventReader()
    run.log(Note(message="one"))
    first = reader.read(run)
    run.log(Note(message="two"))
    assert [len(first), len(reader.read(run))] == [1, 2]
    assert reader.read(run) is reader.read(run)


def test_visitors_see_their_own_runs_and_the_hosts(here: Settings) -> None:
    mine, theirs, hosts = a_run(here, "1" * 32), a_run(here, "2" * 32, OTHER), a_run(here, "hosts", None)
    assert set(Workspace(here, OWNER).runs()) == {mine, hosts}
    assert set(Workspace(here, OTHER).runs()) == {theirs, hosts}
    assert open_run(theirs.name, here) == theirs  # whoever has the token has the link
    with pytest.raises(RunError, match="started by the host"):
        stoppable("hosts", here, OWNER)
    with pytest.raises(RunError, match="somebody else"):  # a link shows a run and does not stop it
        stoppable(mine.name, here, OTHER)
    with pytest.raises(RunError, match="somebody else"):
        stoppable(mine.name, here, "")
    assert stoppable(mine.name, here, OWNER) == mine
    for run in (mine, theirs, hosts):
        run.best.mkdir()
    assert theirs.name not in [name for _, name in classifier_choices(Workspace(here, OWNER))]


@pytest.mark.parametrize("bad", ["", "..", "x" * 32, None, 7, "A" * 32, "a" * 31, "../" + "a" * 29])
def test_a_workspace_is_a_token_of_ours_before_it_becomes_a_folder(bad: Any, here: Settings) -> None:
    with pytest.raises(EngineError, match="reload"):
        Workspace(here, bad)
    assert Workspace(here, new_token())


def test_twenty_presses_are_one_run(make_images: MakeImages, here: Settings) -> None:
    make_images("data/colours")
    tokens = {start.start({"data": "colours", "epochs": 9999}, Workspace(here, OWNER))[0].name for _ in range(20)}
    assert len(tokens) == len(list_runs(here)) == 1
    other, new = start.start({"data": "colours", "epochs": 1}, Workspace(here, OTHER))
    assert new
    assert view(other, here, EventReader()).place == 1


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"epochs": 0}, ConfigError, "epochs must lie between 1 and 10000, got 0"),
        ({"epochs": None, "learning_rate": "fast"}, ConfigError, "learning-rate must be a number"),
        ({"data": "/etc"}, DataError, "There is no data set"),
        ({"data": "upload:../../secret"}, DataError, "There is no data set"),
        ({"data_dir": "/"}, ConfigError, "data-dir is the host's"),
        ({"architecture": "timm:hf-hub:me/evil"}, ConfigError, "Unknown architecture"),
        ({"architecture": "/weights.pth"}, ConfigError, "Unknown architecture"),
    ],
)
def test_wrong_settings_are_refused_before_a_folder_is_made(
    options: dict[str, Any], error: type[EngineError], sentence: str, make_images: MakeImages, here: Settings
) -> None:
    make_images("data/colours")
    with pytest.raises(error, match=re.escape(sentence)):
        start.start({"data": "colours"} | options, Workspace(here, OWNER))
    assert list_runs(here) == []


def test_an_upload_is_its_visitors_alone_and_can_be_deleted(
    make_images: MakeImages, here: Settings, tmp_path: Path
) -> None:
    import shutil

    archive = Path(shutil.make_archive(str(tmp_path / "holiday"), "zip", make_images("in")))
    taken = run_command("take", [str(archive), "--into", str(here.uploads / OWNER)], here, print)
    choice = data_choices.UPLOAD + taken["folder"]
    data = Workspace(here, OWNER).data(choice).described()
    assert data is not None
    assert data.classes == ("blue", "red")
    assert ("Yours: holiday", choice) in Workspace(here, OWNER).choices()
    assert choice not in [value for _, value in Workspace(here, OTHER).choices()]
    with pytest.raises(DataError):
        Workspace(here, OTHER).data(choice)
    assert delete_everything(Workspace(here, OWNER)) == (1, 0)
    assert not list(here.uploads.rglob("*.png"))


def test_a_data_set_is_read_again_only_when_it_changed(make_images: MakeImages, here: Settings) -> None:
    folder = make_images("data/colours")
    visitor = Workspace.of(here, None)
    first = visitor.data("folder:colours").described()
    assert first is not None
    assert visitor.data("folder:colours").described() is first
    Image.new("RGB", (16, 16)).save(folder / "red" / "new.png")
    again = visitor.data("folder:colours").described()
    assert again is not None
    assert len(again.records) == len(first.records) + 1


def test_the_summary_shows_counts_and_escapes_names(make_images: MakeImages, here: Settings) -> None:
    make_images("data/odd", classes=("red", MARKUP[:20]))
    summary = summary_html(Workspace.of(here, None).data("odd").described())
    assert "12 photos in 2 classes" in summary
    assert "<img" not in summary


@pytest.fixture
def predict(here: Settings) -> PredictTab:
    with gr.Blocks(analytics_enabled=False):
        return PredictTab(here, FakePool(), gr.BrowserState("", storage_key="k", secret="s"))  # type: ignore[arg-type]


def test_one_picture_or_its_sentence(predict: PredictTab) -> None:
    told = predict.predict_photo("photo.png", "imagenet", 0.98, "")
    answer, picture = told[predict.answer], told[predict.seen]
    assert answer.visible
    assert 'data-verdict="ok"' in told[predict.verdict]
    assert [row["label"] for row in answer.value["confidences"]] == ["=cats", "dogs"]
    assert picture.visible
    refusals = (("/path/bad.png", "imagenet", "bad.png is damaged"), ("a.png", "gone", "There is no run"))
    for file, name, sentence in refusals:
        refused = predict.predict_photo(file, name, 0.98, "")
        assert sentence in refused[predict.said]
        assert "/path" not in refused[predict.said]
        assert not refused[predict.answer].visible  # that of another photo does not stay beside it


def test_many_pictures_are_a_table_whose_cells_are_no_formulas(predict: PredictTab) -> None:
    table, download = predict.predict_files(["/tmp/one.png", "/tmp/bad.png"], "imagenet", None).values()
    assert table.visible
    files, notes = ([row[column] for row in table.value["data"]] for column in (0, 3))
    assert files == ["one.png", "bad.png"]
    assert notes[1].startswith("bad.png is damaged")
    with Path(download.value["path"] if isinstance(download.value, dict) else download.value).open() as file:
        rows = list(csv.reader(file))
    assert rows[1] == ["one.png", "'=cats", "0.75", ""]


def test_backbones_that_work_now_come_first_and_say_so(here: Settings) -> None:
    labels = [label for label, _ in backbone_choices(here)]
    assert labels[0] == "EfficientNet-Lite0: works now"
    assert any("ResNet-18: needs a download, 45 MB" in label for label in labels)


def test_presets_fill_the_form() -> None:
    tutorial = form_settings("fine-tuning", "tutorial")
    assert (tutorial["learning_rate"], tutorial["batch_size"], tutorial["schedule"]) == (1e-3, 4, "step")


def test_a_page_for_others_asks_for_a_code_and_has_the_smaller_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert codes_for(parse([])) is None
    codes = codes_for(parse(["--lan"]))
    tell_codes(codes)
    code = re.findall(r"Access code: (\S+)", capsys.readouterr().out)[0]
    assert codes is not None
    assert codes.role_for(code) == PUPIL
    assert codes.role_for(code[:-1]) == codes.role_for("") == ""
    both = codes_for(parse(["--share", "--access-code", "ants-and-bees", "--teacher-code", "beekeeper"]))
    assert both is not None
    assert [both.role_for(code) for code in ("ants-and-bees", "beekeeper", "bees")] == [PUPIL, TEACHER, ""]
    assert settings_for(parse(["--lan"])).limits is SHARED
    assert settings_for(parse([])).limits is HOME


def test_a_page_for_others_forgets_after_so_many_hours_and_ones_own_never(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets(*switches: str) -> tuple[int, int]:
        limits = settings_for(parse(switches)).limits
        return limits.data_seconds, limits.run_seconds

    day = 24 * 3600
    assert forgets("--lan", "--forget-after", "0.5") == (1800, day)
    assert forgets("--lan", "--forget-after", "48") == (2 * day, 2 * day)
    assert forgets("--share", "--forget-after", "0") == (0, 0)
    monkeypatch.setenv("TL_FORGET_AFTER", "3")
    assert forgets("--lan") == (3 * 3600, day)
    assert forgets() == (0, 0)
    for wrong in ("-1", "soon", "nan", "inf", "1e9"):
        with pytest.raises(ConfigError, match="forget-after must be a number of hours"):
            forgets("--lan", "--forget-after", wrong)


def test_nobodys_token_is_in_the_page_that_everybody_gets(make_images: MakeImages, here: Settings) -> None:
    import json
    import shutil

    from tl_engine.workspaces.classifier_pool import ClassifierPool
    from ui.page import build_page

    shutil.copytree(make_images("in"), here.uploads / OWNER / "photos-0123456789abcdef")
    a_run(here, "c" * 32)
    config = json.dumps(build_page(here, ClassifierPool(here)).get_config_file(), default=str)
    assert OWNER not in config
    assert "c" * 32 not in config


def test_a_run_whose_upload_was_deleted_does_not_tell_whose_it_was(here: Settings) -> None:
    from tl_engine.sources.intake import load_data

    with pytest.raises(DataError) as error:
        load_data(str(here.uploads / OWNER / "photos-1"), here)
    assert "photos-1" in str(error.value)
    assert OWNER not in str(error.value)


@pytest.mark.parametrize(
    ("said", "shown_words"),
    [
        ("FileNotFoundError: '/home/me/secret/x.pth'", "FileNotFoundError: 'x.pth'"),
        ("no path / here, 3/4 of it", "no path / here, 3/4 of it"),
        ("at /a/b: gone", "at b: gone"),
    ],
)
def test_words_for_strangers_hold_no_paths(said: str, shown_words: str) -> None:
    assert without_paths(said) == shown_words


def test_simultaneous_presses_are_one_run(make_images: MakeImages, here: Settings) -> None:
    from concurrent.futures import ThreadPoolExecutor

    make_images("data/colours")
    with ThreadPoolExecutor(6) as pool:
        started = [
            pool.submit(start.start, {"data": "colours", "epochs": 9999}, Workspace(here, OWNER)) for _ in range(6)
        ]
        tokens = {future.result()[0].name for future in started}
    assert len(tokens) == len(list_runs(here)) == 1


def test_the_queue_survives_a_disk_that_takes_nothing(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(here, "1" * 32)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("tl_engine.runs.queue.launch", full)
        assert queue.advance(here) is False
    assert run.state() == "queued"


def test_a_table_for_excel_begins_with_its_mark() -> None:
    table = pd.DataFrame([{"file": "Größe 猫.png", "class": "猫"}])
    content = Path(write_csv(table)).read_bytes()
    assert content.startswith("\ufeff".encode())
    assert content.decode("utf-8-sig").splitlines() == ["file,class", "Größe 猫.png,猫"]


def test_a_data_set_that_the_host_took_from_the_hub_is_offered_and_a_zip_is_not(
    make_images: MakeImages, here: Settings
) -> None:
    (here.samples / "archives").mkdir(parents=True)
    folder = make_images().rename(here.samples / "hf--me--mine")
    values = [value for _, value in Workspace(here, OWNER).choices()]
    assert data_choices.FOLDER + "hf--me--mine" in values
    assert not [value for value in values if "archives" in value]
    assert Workspace(here, OWNER).data("hf--me--mine").data == str(folder)
    with pytest.raises(DataError):
        Workspace(here, OWNER).data("archives")

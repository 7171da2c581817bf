"""What runs are called, told apart by, and how well they did."""

import json
from typing import Any

import pytest

from tl_engine.base.errors import RunError
from tl_engine.base.settings import Settings
from tl_engine.runs import queue, titles
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run


def a_run(settings: Settings, name: str, title: str | None = None, **options: Any) -> Run:
    return queue.create(TrainConfig.from_options({"data": "digits", **options}), settings, name, title=title)


def told(run: Run, best: float, judged: int) -> None:
    """A log with the data and the end."""
    counts = {"a": {"train": 9, "val": judged - judged // 2}, "b": {"train": 9, "val": judged // 2}}
    lines = [
        {"kind": "data_read", "classes": ["a", "b"], "counts": counts, "at": 1.0},
        {"kind": "run_ended", "state": "finished", "reason": "", "run_folder": "x", "best_val_accuracy": best,
         "best_epoch": 1, "seconds": 1.0, "at": 2.0},
    ]  # fmt: skip
    (run.folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_run_is_called_what_somebody_said_else_its_title_else_its_data(settings: Settings) -> None:
    plain, titled = a_run(settings, "one"), a_run(settings, "two", "My photos, 2 corrections")
    assert titles.title_of(plain) == "digits"
    assert titles.title_of(titled) == "My photos, 2 corrections"
    titles.rename(titled, "  The good one\n")
    assert titles.title_of(titled) == "The good one"
    assert titled.facts.title == "My photos, 2 corrections"


@pytest.mark.parametrize("title", ["", "   ", "x" * 61, "\u200e", 7, None])
def test_what_is_no_name_is_refused_and_the_old_one_stays(title: Any, settings: Settings) -> None:
    run = a_run(settings, "one", "Before")
    with pytest.raises(RunError):
        titles.rename(run, title)
    assert titles.title_of(run) == "Before"


def test_a_run_that_was_deleted_meanwhile_is_not_renamed(settings: Settings) -> None:
    with pytest.raises(RunError):
        titles.rename(Run(settings.runs / "gone"), "Name")
    assert not settings.runs.exists()


def test_runs_of_one_title_are_told_apart_by_what_differs_else_by_time_else_by_number(settings: Settings) -> None:
    options: list[dict[str, Any]] = [{"epochs": 25}, {"epochs": 5}, {"epochs": 5}, {"epochs": 5}]
    runs = [a_run(settings, f"r{index}", "Pets", **more) for index, more in enumerate(options)]
    other = a_run(settings, "other", "Fruit", epochs=5)
    named = titles.names([*runs, other])
    assert named["other"] == "Fruit"
    assert named["r0"] == "Pets, 25 epochs"
    assert named["r1"].startswith("Pets, 5 epochs, ")
    assert len(set(named.values())) == 5
    assert titles.names(runs[:1]) == {"r0": "Pets"}


def test_a_switch_is_told_by_its_name_and_what_an_old_run_does_not_know_is_left_out(settings: Settings) -> None:
    runs = [a_run(settings, name, "Pets", class_weights=name == "on", views=3) for name in ("on", "off", "old")]
    file = runs[2].folder / "config.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({key: known[key] for key in known if key != "views"}))
    assert titles.names(runs[:2]) == {"on": "Pets, class weights", "off": "Pets, no class weights"}
    assert titles.names(runs[1:]) == {"off": "Pets, views 3", "old": "Pets"}


def test_a_run_whose_later_name_was_emptied_has_its_title_again(settings: Settings) -> None:
    run = a_run(settings, "one", "Before")
    (run.folder / titles.TITLE_FILE).write_text(" \n")
    assert titles.title_of(run) == "Before"


def test_photos_are_known_after_any_number_of_skipped_files(settings: Settings) -> None:
    run = a_run(settings, "one")
    told(run, 0.5, 4)
    log = run.folder / "events.jsonl"
    skipped = json.dumps({"kind": "file_skipped", "file": "x" * 200, "reason": "y" * 200, "at": 1.0}) + "\n"
    log.write_text(skipped * 3000 + log.read_text())
    assert titles.judged(run) == 4


def test_few_judged_photos_are_counted_and_many_measured(settings: Settings) -> None:
    few, many, none = (a_run(settings, name) for name in ("few", "many", "none"))
    told(few, 0.75, 4)
    told(many, 0.925, 359)
    assert [titles.judged(run) for run in (few, many, none)] == [4, 359, 0]
    assert [titles.result_words(run) for run in (few, many, none)] == ["3 of 4 right", "92.5 %", ""]


def test_a_run_of_an_old_name_is_not_judged_by_the_one_before(settings: Settings) -> None:
    import shutil

    told(a_run(settings, "same"), 0.5, 4)
    assert titles.judged(Run(settings.runs / "same")) == 4
    shutil.rmtree(settings.runs / "same")
    told(a_run(settings, "same"), 0.5, 6)
    assert titles.judged(Run(settings.runs / "same")) == 6


@pytest.mark.parametrize(
    ("data", "name"), [("digits", "digits"), ("/a/b/photos", "photos"), ("/a/used/x/pets.json", "pets"), ("/", "/")]
)
def test_data_is_called_by_the_last_part_of_its_path(data: str, name: str) -> None:
    assert titles.data_name(data) == name

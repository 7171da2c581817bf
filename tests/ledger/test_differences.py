"""In which settings runs differ: only those, with what is a default and what was of no use named."""

from typing import Any

from tl_engine.base.settings import Settings
from tl_engine.ledger.differences import differences
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run


def a_run(settings: Settings, name: str, title: str = "Pets", **options: Any) -> Run:
    return queue.create(TrainConfig.from_options({"data": "digits", **options}), settings, name, title=title)


def told(*runs: Run) -> dict[str, tuple[str, ...]]:
    return {row.setting: tuple(value.words for value in row.values) for row in differences(runs)}


def test_only_what_differs_is_told_with_the_defaults_named(settings: Settings) -> None:
    one = a_run(settings, "one", strategy="fine-tuning")
    two = a_run(settings, "two", strategy="fine-tuning", epochs=3, class_weights=True)
    assert told(one, two) == {"epochs": ("8 (default)", "3"), "class_weights": ("no (default)", "yes")}


def test_runs_with_the_same_settings_do_not_differ(settings: Settings) -> None:
    assert told(a_run(settings, "one"), a_run(settings, "two")) == {}


def test_what_a_training_had_no_use_for_is_not_told_as_its_value(settings: Settings) -> None:
    solved, steps = a_run(settings, "one"), a_run(settings, "two", optimizer="adamw")
    found = told(solved, steps)
    assert found["optimizer"] == ("lbfgs (default)", "adamw")
    assert found["learning_rate"] == ("not used", "0.003 (default)")
    assert found["judge"] == ("folds (default)", "split")
    assert found["val_fraction"] == ("not used", "0.2 (default)")
    assert "momentum" not in found  # neither had a use for it
    assert "head_epochs" not in found


def test_photos_are_called_what_people_call_them_and_no_path_is_told(settings: Settings) -> None:
    one = a_run(settings, "one", data=str(settings.uploads / "secret" / "own-1"))
    two = a_run(settings, "two", title="Fruit")
    assert told(one, two) == {"data": ("Pets", "Fruit")}


def test_a_damaged_run_says_nothing(settings: Settings) -> None:
    one, two = a_run(settings, "one"), a_run(settings, "two")
    (two.folder / "config.json").write_text("{")
    found = told(one, two)
    assert found["epochs"] == ("50 (default)", "not said")
    assert "momentum" not in found or found["momentum"][1] == "not said"


def test_three_can_stand_beside_each_other(settings: Settings) -> None:
    runs = [a_run(settings, f"r{n}", epochs=epochs) for n, epochs in enumerate((5, 5, 9))]
    assert told(*runs) == {"epochs": ("5", "5", "9")}

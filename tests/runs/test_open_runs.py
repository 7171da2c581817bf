"""The queue reads open runs only, whatever lies beside them."""

import dataclasses
import json
from pathlib import Path

import pytest

from tl_engine.base.errors import RunError
from tl_engine.base.events import RunEnded
from tl_engine.base.settings import Settings
from tl_engine.runs import open_runs, queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import CONFIG, Run, RunFacts

CONFIGURED = TrainConfig.from_options({"data": "digits"})


def end(run: Run) -> None:
    run.log(RunEnded(state="finished", reason="", run_folder="", best_val_accuracy=1.0, best_epoch=1, seconds=1.0))


def test_the_queue_is_a_listing_in_the_order_of_asking(settings: Settings) -> None:
    made = [queue.create(CONFIGURED, settings, name) for name in ("b", "a", "c-d")]
    assert open_runs.names(settings.runs) == ["b", "a", "c-d"]
    assert [queue.place_in_queue(run, settings) for run in made] == [0, 1, 2]


def test_a_run_that_ended_leaves_the_queue_and_is_not_read_again(settings: Settings) -> None:
    first = queue.create(CONFIGURED, settings, "first", process=1)
    end(first)
    assert queue.advance(settings) is False
    assert open_runs.names(settings.runs) == []
    (first.folder / CONFIG).write_text("no json")  # whoever reads it would fall over it
    assert queue.advance(settings) is False


def test_a_place_in_the_queue_reads_no_other_run(settings: Settings) -> None:
    first, second = (queue.create(CONFIGURED, settings, name) for name in ("first", "second"))
    (first.folder / CONFIG).unlink()
    assert queue.place_in_queue(second, settings) == 1


def test_a_name_that_is_taken_leaves_the_queue_as_it_was(settings: Settings) -> None:
    queue.create(CONFIGURED, settings, "one")
    with pytest.raises(RunError):
        queue.create(CONFIGURED, settings, "one")
    assert open_runs.names(settings.runs) == ["one"]


def test_a_mark_without_a_run_goes_unless_the_run_is_being_made(settings: Settings) -> None:
    open_runs.add(settings.runs, "crashed", 1.0)
    open_runs.add(settings.runs, "coming", 2.0)
    (settings.runs / ".coming.77").mkdir()
    assert open_runs.listed(settings.runs) == []
    assert open_runs.names(settings.runs) == ["coming"]


def test_waiting_runs_of_an_older_version_are_found(settings: Settings) -> None:
    for name, created in (("later", 2.0), ("earlier", 1.0), ("ended", 0.5)):
        folder = settings.runs / name
        folder.mkdir(parents=True)
        (folder / CONFIG).write_text(json.dumps({"data": "digits", "created": created}))
    end(Run(settings.runs / "ended"))
    assert open_runs.names(settings.runs) == ["earlier", "later"]


def test_a_runs_facts_are_typed_and_tolerate_damage(settings: Settings, tmp_path: Path) -> None:
    run = queue.create(CONFIGURED, dataclasses.replace(settings, weights_dir=tmp_path), "one", workspace="w")
    facts = run.facts
    assert (facts.data, facts.architecture, facts.workspace, facts.weights_dir) == (
        "digits", "efficientnet_lite0", "w", tmp_path,
    )  # fmt: skip
    assert run.facts is facts
    (run.folder / CONFIG).write_text("[]")
    assert run.facts == RunFacts()
    assert Run(tmp_path / "nothing").facts == RunFacts()


def test_a_run_that_is_finished_being_made_while_somebody_looks_keeps_its_mark(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = queue.create(TrainConfig(data="digits"), settings, "made")
    aside = settings.runs / f".{run.name}.1"
    run.folder.rename(aside)
    looked = Path.is_file

    def made_meanwhile(path: Path) -> bool:
        there = looked(path)
        if path.name == "config.json" and aside.exists():
            aside.rename(run.folder)  # just after somebody saw that it is not there
        return there

    monkeypatch.setattr(Path, "is_file", made_meanwhile)
    open_runs.listed(settings.runs)
    assert open_runs.names(settings.runs) == [run.name]

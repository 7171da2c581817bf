"""Events survive their way through the log, whatever numbers and names are in them."""

import dataclasses
import json
import math
from typing import Any, get_type_hints

import pytest

from tl_engine.base.events import (
    KINDS,
    EpochEnd,
    Event,
    FileSkipped,
    Note,
    RunEnded,
    RunStarted,
    describe,
    from_json,
    to_json,
)
from tl_engine.runs.config import TrainConfig, to_dict

# One value for each kind of annotation; fields that need more sense follow by name.
EXAMPLES: dict[Any, Any] = {
    str: "größe \u2028 漢字",
    int: 3,
    float: 0.25,
    bool: True,
    float | None: None,
    int | None: 2,
    list[str]: ["ant", "bee"],
    dict[str, Any]: to_dict(TrainConfig(data="digits")),
    dict[str, dict[str, int]]: {"ant": {"train": 3, "val": 1}},
}
every_kind = pytest.mark.parametrize("cls", KINDS.values(), ids=KINDS)


def example(cls: type[Event], **changes: Any) -> Event:
    hints = get_type_hints(cls)
    values = {f.name: EXAMPLES.get(hints[f.name]) for f in dataclasses.fields(cls)}
    return cls(**(values | changes))


def test_every_event_class_is_known_by_its_kind() -> None:
    assert {kind: cls.kind for kind, cls in KINDS.items()} == {kind: kind for kind in KINDS}
    assert {cls.__name__ for cls in Event.__subclasses__()} == {cls.__name__ for cls in KINDS.values()}
    assert {"run_started", "batch_end", "epoch_end", "run_ended"} <= set(KINDS)


@every_kind
def test_an_event_comes_back_from_its_line(cls: type[Event]) -> None:
    event = example(cls, at=1.5)
    assert from_json(to_json(event)) == event


@every_kind
def test_an_event_is_one_line_of_plain_json(cls: type[Event]) -> None:
    line = to_json(example(cls))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["kind"] == cls.kind


@every_kind
def test_a_line_cut_short_gives_none(cls: type[Event]) -> None:
    line = to_json(example(cls))
    assert [from_json(line[:length]) for length in range(len(line))] == [None] * len(line)


@every_kind
def test_numbers_json_does_not_have_become_null(cls: type[Event]) -> None:
    hints = get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls) if hints[f.name] is float]
    for number in (math.nan, math.inf, -math.inf):
        values = json.loads(to_json(example(cls, **dict.fromkeys(names, number))))
        assert [values[name] for name in names] == [None] * len(names)


def test_nan_deep_inside_becomes_null() -> None:
    config = {"architecture": "x", "strategy": "y", "rates": [math.nan, 1.0], "deep": {"loss": math.inf}}
    event = from_json(to_json(example(RunStarted, config=config)))
    assert isinstance(event, RunStarted)
    assert (event.config["rates"], event.config["deep"]) == ([None, 1.0], {"loss": None})


def test_a_name_that_is_no_utf8_can_be_logged() -> None:
    event = FileSkipped(file=b"a\xff.png".decode("utf-8", "surrogateescape"), reason="it is damaged")
    assert from_json(to_json(event).encode("utf-8").decode("utf-8")) == event


@pytest.mark.parametrize(
    "line",
    ["", "{}", "[]", "12", "null", '"note"', '{"kind": "note"}', '{"kind": "event"}', '{"kind": []}', '{"kind": "x"}'],
)
def test_a_line_that_is_no_event_gives_none(line: str) -> None:
    assert from_json(line) is None


def test_a_field_of_a_later_version_is_ignored() -> None:
    assert from_json('{"kind": "note", "message": "hello", "colour": "red"}') == Note(message="hello")


@every_kind
def test_an_event_is_told_in_at_most_one_line(cls: type[Event]) -> None:
    text = describe(example(cls))
    assert len(text.splitlines()) <= 1
    silent = cls.kind in ("progress", "batch_end")
    assert bool(text) is not silent


def test_line_breaks_in_names_and_reasons_do_not_break_the_log() -> None:
    told = describe(FileSkipped(file="a\nb\u2028c.png", reason="cut\r\nshort"))
    assert told == "skipped a b c.png: cut short"


def test_an_epoch_is_told_with_its_figures() -> None:
    event = example(EpochEnd, epoch=2, epochs=9, train_loss=0.5, train_accuracy=0.75, val_loss=0.25, val_accuracy=0.9)
    told = describe(event)
    assert told.startswith("epoch 2/9 ")
    figures = [figure for figure in told.split() if figure in ("0.5000", "75.0", "0.2500", "90.0")]
    assert figures == ["75.0", "0.5000", "90.0", "0.2500"]
    assert "val 9 of 10 right" in describe(event, {"train": 400, "val": 10})
    assert told.endswith("saved")
    assert "saved" not in describe(dataclasses.replace(event, best=False))


def test_a_loss_that_was_not_a_number_can_still_be_told() -> None:
    event = from_json(to_json(example(EpochEnd, train_loss=math.nan, val_loss=math.inf)))
    assert event is not None
    assert describe(event).count("loss not a number") == 2


def test_an_end_is_told_with_the_best_epoch_or_without() -> None:
    event = example(RunEnded, state="finished", reason="done", run_folder="r", seconds=2.0, best_val_accuracy=0.5)
    assert describe(event) == "finished after 2.0 s: done (best: 50.0 % in epoch 2)"
    without = dataclasses.replace(event, best_val_accuracy=None, best_epoch=None)
    assert describe(without) == "finished after 2.0 s: done (no epoch ended)"


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Note(message="x").message = "y"  # type: ignore[misc]


def test_thousands_of_epochs_are_thinned_in_the_log_but_for_those_that_were_saved() -> None:
    epochs = [example(EpochEnd, epoch=n, epochs=4000, best=n == 7) for n in range(1, 4001)]
    told = [event.epoch for event in epochs if describe(event)]
    assert told == sorted({7, *range(20, 4001, 20)})

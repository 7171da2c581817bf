"""Curves: drawn, read at a point, read as a table, and saved as files that say what they are."""

import base64
import csv
import io
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tl_engine.base.events import EpochEnd
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from ui.train.curves import POINTS, Curve, run_curves, thinned
from ui.train.drawing import COLOURS, DASHES
from ui.train.plot_files import file_stem
from ui.train.plots import LIVE_POINTS, accuracy_plot, loss_plot
from ui.train.run_view import EventReader, RunView

OWNER = "a" * 32
MARKUP = '"><script>alert(1)</script>\x07'
SVG = "{http://www.w3.org/2000/svg}"
BOTH = [Curve("validation", [(1, 0.5), (2, 0.75), (3, 0.948)]), Curve("training", [(1, 0.6), (3, 1.0)])]


def epoch(number: int, loss: float | None = 0.7) -> EpochEnd:
    return EpochEnd(
        epoch=number, epochs=9, phase="head", train_loss=loss, val_loss=loss,  # type: ignore[arg-type]
        train_accuracy=0.5, val_accuracy=0.5, learning_rate=0.1, best=True, seconds=1.0,
    )  # fmt: skip


def view(
    settings: Settings, name: str, *epochs: EpochEnd, workspace: str | None = OWNER, data: str = "digits"
) -> RunView:
    config = TrainConfig.from_options({"data": data, "epochs": 9})
    return RunView(queue.create(config, settings, name, workspace=workspace), "finished", list(epochs), 0)


def saved(plot: str, ending: str) -> tuple[str, str]:
    """(file name, text) of what a link of a plot saves."""
    found = re.search(rf'<a download="([^"]*\.{ending})" href="data:[^"]*;base64,([^"]*)"', plot)
    assert found
    return found[1], base64.b64decode(found[2]).decode("utf-8")


@pytest.mark.parametrize("highest", [10.0**power * step for power in range(-6, 4) for step in (1, 2, 4)])
def test_a_loss_of_any_size_has_labels_that_fit_beside_the_axis(highest: float) -> None:
    drawn = loss_plot([Curve("training", [(1, highest), (2, highest / 2)])])
    labels = re.findall(r'<text x="([\d.]+)" y="[^"]+" text-anchor="end">([^<]+)<', drawn)
    assert len(labels) == 5
    assert all(float(x) >= 6.2 * len(label) for x, label in labels)  # units of a digit, 11 high


def test_every_point_of_every_curve_tells_its_value_to_a_pointer() -> None:
    said = re.findall(r'<circle [^>]*r="[^"]+"><title>([^<]*)</title>', accuracy_plot(BOTH))
    assert sorted(said) == [
        "training, epoch 1: 60.0 %",
        "training, epoch 3: 100.0 %",
        "validation, epoch 1: 50.0 %",
        "validation, epoch 2: 75.0 %",
        "validation, epoch 3: 94.8 %",
    ]


def test_points_that_can_be_hit_do_not_cover_each_other_unless_they_are_hundreds() -> None:
    plot = loss_plot([Curve("validation", [(number, 0.5) for number in range(1, 31)])])
    circles = re.findall(r'<circle cx="([\d.]+)" cy="[\d.]+" r="([\d.]+)"><title>', plot)
    places, radius = [float(x) for x, _ in circles], float(circles[0][1])
    assert min(right - left for left, right in pairwise(places)) >= 2 * radius - 0.3
    assert radius > 3  # that of the mark at the end


def test_a_closed_table_holds_the_same_values_for_those_who_use_no_pointer() -> None:
    plot = accuracy_plot(BOTH)
    table = plot[plot.index("<details") : plot.index("</details>")]
    assert "<details open" not in plot
    assert re.findall(r'<th scope="col">([^<]*)</th>', table) == ["epoch", "validation", "training"]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in table.split("<tr>")[2:]]
    assert rows == [["1", "50.0 %", "60.0 %"], ["2", "75.0 %", ""], ["3", "94.8 %", "100.0 %"]]


def test_a_long_run_is_thinned_on_the_page_with_both_ends_and_whole_in_its_file(settings: Settings) -> None:
    curves = run_curves(view(settings, "one", *(epoch(number) for number in range(1, 5001))), [], "accuracy")
    plot = accuracy_plot(curves, "long")
    drawn = [points.split() for points in re.findall(r'<polyline points="([^"]*)"', plot)]
    assert [len(points) for points in drawn] == [POINTS, POINTS]
    assert plot.count('<th scope="row">') == POINTS
    assert "200 of 5,000 epochs" in plot
    assert len(saved(plot, "csv")[1].splitlines()) == 5001
    assert (thinned(range(1, 5001), POINTS)[0], thinned(range(1, 5001), POINTS)[-1]) == (1, 5000)


def test_a_page_closed_at_epoch_two_and_opened_again_shows_the_curve_without_a_gap(settings: Settings) -> None:
    run = view(settings, "b" * 32).run
    open_page, reader = EventReader(), EventReader()
    for number in range(1, 8):
        run.log(epoch(number))
        if number <= 2:
            read = open_page.read(run)
    assert len(read) == 2
    for events in (open_page.read(run), reader.read(run)):  # the server that went on, and one started meanwhile
        points = run_curves(RunView(run, "running", events, 0), (), "accuracy")[0].points
        assert [number for number, _ in points] == list(range(1, 8))


def test_a_run_that_goes_on_sends_fewer_points_to_read_but_all_of_a_usual_one() -> None:
    usual, long = ([Curve("validation", [(number, 0.5) for number in range(1, most + 1)])] for most in (50, 5000))
    assert loss_plot(usual).count("<title>") == loss_plot(usual).count('<th scope="row">') == 50
    assert loss_plot(long).count("<title>") == loss_plot(long).count('<th scope="row">') == LIVE_POINTS
    assert loss_plot(long, "ended").count("<title>") == POINTS


def test_curves_differ_by_more_than_colour_and_a_missing_loss_is_left_out(settings: Settings) -> None:
    run = view(settings, "one", epoch(1), epoch(2, loss=None), epoch(3))
    curves = run_curves(run, [("the other", view(settings, "two", epoch(1)))], "loss")
    assert [len(curve.points) for curve in curves] == [2, 2, 1]
    picture = loss_plot(curves)
    assert len(set(re.findall(r'<polyline[^>]*?(stroke-dasharray="[^"]*")?/>', picture))) == 3
    assert len(set(DASHES)) == len(set(COLOURS)) == len(DASHES)
    assert 'aria-label="Loss by epoch: validation 0.7; training 0.7' in picture


def test_a_curve_can_be_saved_only_once_there_is_one_and_its_run_has_ended() -> None:
    assert "download" not in accuracy_plot(BOTH)
    assert "download" not in accuracy_plot([], "digits")
    plot = loss_plot(BOTH, "digits-one")
    assert {saved(plot, ending)[0] for ending in ("svg", "csv")} == {"digits-one-loss.svg", "digits-one-loss.csv"}
    assert 'data-png="digits-one-loss.png"' in plot


def test_a_saved_picture_needs_nothing_of_the_page() -> None:
    picture = ElementTree.fromstring(saved(accuracy_plot(BOTH, "digits-one"), "svg")[1])
    assert picture.tag == f"{SVG}svg"
    assert {"width", "height", "viewBox", "font-family"} <= set(picture.keys())
    lines = picture.findall(f".//{SVG}g/{SVG}polyline/..")
    assert [line.get("stroke") for line in lines] == list(reversed(COLOURS[:2]))
    words = "".join(picture.itertext())
    assert all(word in words for word in ("Accuracy", "digits-one", "validation 94.8 %", "training 100.0 %"))
    assert "var(" not in ElementTree.tostring(picture, "unicode")


def test_a_saved_table_opens_in_a_spreadsheet_and_runs_nothing() -> None:
    text = saved(accuracy_plot([*BOTH, Curve("=1+1", [(2, 0.123456789)])], "digits"), "csv")[1]
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows[0] == ["epoch", "validation accuracy", "training accuracy", "'=1+1 accuracy"]
    assert rows[1:] == [["1", "0.5", "0.6", ""], ["2", "0.75", "", "0.123457"], ["3", "0.948", "1", ""]]


def test_names_are_text_in_picture_table_and_files() -> None:
    plot = accuracy_plot([Curve(MARKUP, [(1, 0.5)])], MARKUP)
    assert "<script" not in plot
    _, svg = saved(plot, "svg")
    assert "<script" not in svg
    assert ElementTree.fromstring(svg) is not None


def test_files_are_named_by_title_and_time_but_never_by_a_runs_secret(settings: Settings) -> None:
    secret = "c" * 32
    assert re.fullmatch(r"digits-\d{4}-\d\d-\d\d-\d{4}", file_stem(view(settings, secret)))


@pytest.mark.parametrize("name", ["../../x", "a b\n", "猫狗", "<b>", "=x", "a\udcff"])
def test_a_file_name_has_letters_and_dashes_only(name: str, settings: Settings) -> None:
    stem = file_stem(view(settings, "friday", workspace=None, data=f"/data/{name}"))
    assert re.fullmatch(r"[\w-]+", stem)
    assert Path(stem).name == stem

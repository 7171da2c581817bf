"""The Runs tab: found, ordered, paged, ticked; one used again, noted, deleted and brought back; text stays text."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.ended_runs import ended_run
from tl_engine.base.errors import EngineError, RunError
from tl_engine.base.settings import Settings
from tl_engine.data.mends import Located
from tl_engine.runs import queue, titles
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.sources import collection
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace
from ui.page import Page
from ui.runs.again import GONE, taken_over
from ui.runs.beside import settings_html, verdict_html
from ui.runs.tab import RunsTab
from ui.runs.table import MOST_TICKED, NEWEST, PAGE, Asked, part_of, right_words, row_of, table_html, whose
from ui.train.tab import TrainTab

pytestmark = pytest.mark.usefixtures("unserved")

OWNER, OTHER = "a" * 32, "b" * 32
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
def mine(here: Settings) -> Workspace:
    return Workspace(here, OWNER)


@pytest.fixture
def runs(here: Settings) -> list[Run]:
    """A page and a half of runs, the newest first."""
    return [ended_run(here, number) for number in range(PAGE + PAGE // 2)][::-1]


@pytest.fixture
def page(here: Settings) -> Page:
    return Page(here, ClassifierPool(here), None)


def event(**sent: Any) -> Any:
    return SimpleNamespace(_data=sent)


def names(shown: Any, tab: RunsTab) -> list[str]:
    """The names of the runs in the table, in order."""
    return re.findall(r'data-run="(\w+)"', shown[tab.list])


def test_a_page_of_rows_is_shown_and_the_others_are_turned_to(page: Page, runs: list[Run]) -> None:
    tab = page.runs
    shown = tab.list_runs(OWNER, "")
    assert names(shown, tab) == [run.name for run in runs[:PAGE]]
    assert "1 - 25 of 37" in shown[tab.number]
    turned = tab.list_after(OWNER, "", "", NEWEST, shown[tab.first], "")
    assert names(turned, tab) == [run.name for run in runs[PAGE:]]
    assert "26 - 37 of 37" in turned[tab.number]
    further = tab.list_after(OWNER, "", "", NEWEST, turned[tab.first], "")
    assert names(further, tab) == names(turned, tab)
    assert names(tab.list_before(OWNER, "", "", NEWEST, turned[tab.first], ""), tab) == names(shown, tab)


def test_runs_are_found_by_their_words_and_ordered(page: Page, runs: list[Run], mine: Workspace) -> None:
    titles.rename(runs[3], "Holiday by the sea")
    titles.write_note(runs[4], "too blue")
    queue.create(TrainConfig(data="digits"), mine.settings, "f" * 32, workspace=OWNER)
    for words, found in (("SEA holi", [runs[3].name]), ("blue", [runs[4].name]), ("waiting", ["f" * 32]), ("zz", [])):
        assert names(page.runs.find_runs(OWNER, "", words, NEWEST, "25", ""), page.runs) == found
    best = part_of(mine.runs(), Asked(order="Most accurate first"))
    accuracies = [row.accuracy or 0 for row in best.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert part_of(mine.runs(), Asked(order="By name")).rows[0].title == "digits"
    assert part_of(mine.runs(), Asked(order="Longest first")).rows[0].seconds == 20.0 + len(runs) - 1


@pytest.mark.parametrize("sent", [None, 7, {"a": 1}, "x" * 99, "-1", [], "9" * 30])
def test_whatever_a_browser_sends_for_the_list_is_no_error(sent: Any, page: Page, runs: list[Run]) -> None:
    asked = Asked.of(sent, sent, sent, sent)
    assert (asked.order, asked.first) == (NEWEST, 0)
    assert page.runs.list_runs(OWNER, "", sent, sent, sent, sent)
    for told in (sent, {"ticked": sent, "shown": sent}):
        assert Asked().ticking(told).ticked == ()
    assert len(runs) > PAGE


def test_names_notes_and_data_are_text(here: Settings, mine: Workspace) -> None:
    run = ended_run(here, 1)
    (run.folder / titles.TITLE_FILE).write_text(EVIL)
    (run.folder / titles.NOTE_FILE).write_text(EVIL)
    table = table_html(part_of([run], Asked()), mine, [], "")
    other = ended_run(here, 2)
    for shown in (table, verdict_html(run, other, [EVIL, EVIL]), settings_html([run, other], [EVIL, EVIL])):
        assert "<img" not in shown
        assert "&lt;img" in shown


def test_a_result_says_its_count_and_its_range_or_with_few_photos_only_the_count(here: Settings) -> None:
    row = row_of(ended_run(here, 6))
    assert right_words(row) == "146 of 152 right, 92 - 98 %"
    few, unknown, none = (SimpleNamespace(**values) for values in (
        {"accuracy": 0.75, "judged": 4, "right": 3}, {"accuracy": 0.75, "judged": 0}, {"accuracy": None, "judged": 9},
    ))  # fmt: skip
    assert [right_words(r) for r in (few, unknown, none)] == ["3 of 4 right", "75.0 %", ""]  # type: ignore[arg-type]


def test_a_note_of_somebody_elses_run_is_not_shown_by_its_link(here: Settings, page: Page) -> None:
    theirs = ended_run(here, 1, OTHER)
    titles.write_note(theirs, "Anna's cat")
    shown = page.runs.list_runs(OWNER, theirs.name)
    assert names(shown, page.runs) == [theirs.name]
    assert "from a link" in shown[page.runs.list]
    picked = page.runs.pick_run(OWNER, event(run=theirs.name))
    assert "Anna" not in str(shown) + str(picked)
    assert picked[page.runs.one.own].visible is False
    assert whose(theirs, Workspace(here, OWNER)) == "from a link"


def test_ticks_are_kept_over_pages_and_bounded(page: Page, runs: list[Run]) -> None:
    tab, first, later = page.runs, runs[0].name, runs[PAGE].name
    ticked = tab.tick_run("", event(ticked=[first], shown=[first]))[tab.ticked]
    ticked = tab.tick_run(ticked, event(ticked=[later], shown=[later]))[tab.ticked]
    assert ticked.split() == [first, later]
    assert (
        'data-tick="' + first + '" aria-label="Side by side: Set 1" checked'
        in tab.list_runs(OWNER, "", "", NEWEST, "0", ticked)[tab.list]
    )
    ticked = tab.tick_run(ticked, event(ticked=[], shown=[later]))[tab.ticked]
    assert ticked == first
    many = [run.name for run in runs[:9]]
    assert len(tab.tick_run("", event(ticked=many, shown=many))[tab.ticked].split()) == MOST_TICKED


def test_side_by_side_says_the_verdict_of_two_and_what_differs(page: Page, runs: list[Run]) -> None:
    tab = page.runs
    two = " ".join(run.name for run in runs[:2])
    words = tab.lay_beside(OWNER, "", "", NEWEST, "0", two)[tab.beside.words]
    assert "No evidence that one is better" in words
    assert "Settings that differ" in words
    assert "of 152 photos that judged both" in words.lower()
    three = " ".join(run.name for run in runs[:3])
    assert "exactly two" in tab.lay_beside(OWNER, "", "", NEWEST, "0", three)[tab.beside.words]
    with pytest.raises(EngineError, match="Tick trainings"):
        tab.lay_beside(OWNER, "", "", NEWEST, "0", "f" * 32)


def test_side_by_side_says_why_two_cannot_be_compared(page: Page, runs: list[Run]) -> None:
    runs[1].manifest.write_text(runs[1].manifest.read_text().replace('"sha256": "0', '"sha256": "1'))
    two = " ".join(run.name for run in runs[:2])
    assert "different photos" in page.runs.lay_beside(OWNER, "", "", NEWEST, "0", two)[page.runs.beside.words]


def test_a_note_is_kept_shown_and_bounded(page: Page, runs: list[Run]) -> None:
    tab, run = page.runs, runs[0]
    shown = tab.one.note_run("Fewer epochs\nwere worse", OWNER, run.name, "", "", NEWEST, "0", "")
    assert "The note is saved" in shown[tab.one.said]
    assert "Fewer epochs were worse" in shown[tab.list]
    with pytest.raises(RunError, match="at most 500 characters"):
        tab.one.note_run("x" * 501, OWNER, run.name, "")
    assert titles.note_of(run) == "Fewer epochs\nwere worse"
    assert "no note now" in tab.one.note_run("  ", OWNER, run.name, "")[tab.one.said]


def test_only_who_started_it_names_notes_and_deletes(here: Settings, page: Page) -> None:
    one = page.runs.one
    for run in (ended_run(here, 1, OTHER), ended_run(here, 2, None)):
        for press in (
            lambda name: one.note_run("x", OWNER, name, ""),
            lambda name: one.rename_run("x", OWNER, name, ""),
            lambda name: one.delete_run(OWNER, name, ""),
        ):
            with pytest.raises(EngineError, match="not yours"):
                press(run.name)
        assert titles.note_of(run) == ""


def test_a_deleted_run_leaves_the_list_at_once_and_comes_back(page: Page, runs: list[Run]) -> None:
    tab, run = page.runs, runs[0]
    gone = tab.one.delete_run(OWNER, run.name, run.name, "", NEWEST, "0", run.name)
    assert run.name not in names(gone, tab)
    assert gone[page.train.run] == ""
    assert gone[tab.ticked] == ""
    assert gone[tab.one.undo].visible is True
    assert gone[tab.one.undoable] == run.name
    assert tab.list_runs(OWNER, "")[tab.one.undo].visible is True  # also after the page was loaded anew
    assert tab.list_runs(OTHER, "")[tab.one.undo].visible is False
    back = tab.one.bring_back(run.name, OWNER, "", "", "", NEWEST, "0", "")
    assert names(back, tab)[0] == run.name
    assert back[tab.one.undo].visible is False
    with pytest.raises(RunError, match="gone for good"):
        tab.one.bring_back(run.name, OWNER, "", "")


def form_of(page: Page) -> TrainTab:
    return page.train


def test_settings_are_used_again_with_the_data(page: Page, mine: Workspace) -> None:
    run = queue.create(
        TrainConfig.from_options({"data": "digits", "strategy": "fine-tuning", "epochs": 3, "seed": 7}),
        mine.settings, "1" * 32, workspace=OWNER,
    )  # fmt: skip
    shown, train = page.runs.one.use_again(OWNER, run.name), form_of(page)
    form = {name: shown[control] for name, control in train.form.options.items()}
    config = TrainConfig.from_options({**form, "data": "digits"})
    assert config == TrainConfig.from_options({name: run.facts.options[name] for name in ("data", *form)})
    assert (form["epochs"], form["seed"], form["strategy"]) == (3, 7, "fine-tuning")
    assert shown[page.photos.choice].value == "digits"
    assert "Not taken over" not in shown[train.said]


def test_what_cannot_be_taken_over_is_said(here: Settings, mine: Workspace) -> None:
    theirs = collection.create(here.uploads / OTHER, "Pets", ("a", "b"))
    options = {"data": str(theirs.folder), "optimizer": "sgd", "momentum": 0.5, "strategy": "fine-tuning"}
    run = queue.create(TrainConfig.from_options(options), here, "1" * 32, workspace=OTHER)
    offered = {"architecture", "strategy", "epochs", "optimizer", "learning_rate", "seed"}
    values, choice, missing = taken_over(run, mine, offered)
    assert choice is None
    assert values["optimizer"] == "sgd"
    assert missing == [GONE, "momentum 0.5"]
    assert theirs.folder.name not in str(missing)


def test_corrected_photos_of_ones_own_are_taken_over(here: Settings, mine: Workspace) -> None:
    own = collection.create(here.uploads / OWNER, "Pets", ("a", "b"))
    mends = here.uploads / OWNER / ".mends" / "used" / "0" / f"{own.folder.name}.json"
    Located(root=own.folder).write(mends)
    for number, data in enumerate((own.folder, mends)):
        run = queue.create(TrainConfig(data=str(data)), here, f"{number:032x}", workspace=OWNER)
        assert taken_over(run, mine, {"epochs"})[1] == f"upload:{own.folder.name}"


def test_a_backbone_that_the_form_does_not_offer_is_said(here: Settings, mine: Workspace) -> None:
    run = ended_run(here, 1)
    config = run.folder / "config.json"
    config.write_text(config.read_text().replace("efficientnet_lite0", "timm:resnet10t"))
    values, _, missing = taken_over(Run(run.folder), mine, {"architecture", "epochs", "strategy"})
    assert "architecture" not in values
    assert missing == ["backbone timm:resnet10t"]


def test_a_damaged_run_has_nothing_to_take_over(here: Settings, mine: Workspace) -> None:
    run = ended_run(here, 1)
    (run.folder / "config.json").write_text("{")
    with pytest.raises(EngineError, match="missing or damaged"):
        taken_over(run, mine, {"epochs"})

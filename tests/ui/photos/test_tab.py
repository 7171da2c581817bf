"""The Data tab without a browser: its handlers, what they leave on the disk, and who may see it."""

import base64
import dataclasses
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from tests.conftest import MakeImages
from tl_engine.base.errors import EngineError
from tl_engine.base.events import Progress
from tl_engine.base.settings import Settings
from tl_engine.data.mends import Located
from tl_engine.inspection.findings import Duplicates, Report
from tl_engine.sources import room
from tl_engine.workspaces import corrections, data_choices, start
from tl_engine.workspaces.worker import run_command
from ui.parts.data_table import MOST_FILES, counts_table, findings_html
from ui.parts.photo_grid import PER_PAGE, Item, names, toggled
from ui.photos.check_view import report_html
from ui.photos.tab import DataTab
from ui.train.form import TrainForm

OWNER, OTHER = "a" * 32, "b" * 32
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with uploads of their own."""
    return dataclasses.replace(settings, uploads=tmp_path / "uploads")


@pytest.fixture
def tab(here: Settings) -> DataTab:
    """The tab in a page of its own."""
    with gr.Blocks(analytics_enabled=False):
        workspace = gr.BrowserState("", storage_key="k", secret="s")
        form = TrainForm(here, workspace)
        with gr.Tabs() as tabs:
            made = DataTab(here, workspace)
        made.connect(tabs, form)
    return made


def value(view: Any, values: list[Any], component: Any) -> Any:
    """What a handler of a view gives for one of its components."""
    return values[[shown is component for shown in view.shown].index(True)]


def new_collection(tab: DataTab, *classes: str) -> str:
    tab.made(OWNER)
    choice = next(v for label, v in data_choices.choices(tab.settings, OWNER) if label == "Yours: My photos")
    for name in classes:
        tab.collect.made_class(choice, OWNER, name)
    return choice


def photo(path: Path, colour: str = "red") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    return str(path)


def test_a_collection_takes_twenty_classes_and_more(tab: DataTab) -> None:
    choice = new_collection(tab, *(f"class {number}" for number in range(25)))
    shown = value(tab.collect, tab.collect.show(choice, OWNER, "class 7"), tab.collect.name)
    assert len(shown.choices) == 25
    assert shown.value == "class 7"


def test_photos_are_kept_and_what_is_none_is_named(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "cats")
    text = tmp_path / f"{MARKUP[:9]}.jpg"
    text.write_text("no picture")
    said = tab.collect.take(choice, OWNER, "cats", [photo(tmp_path / "a.png"), str(text), photo(tmp_path / "b.png")])[0]
    assert "2 photos added" in said
    assert "1 file left out" in said
    assert "not a picture" in said
    assert MARKUP[:9] not in said
    assert data_choices.own_collection(choice, tab.settings, OWNER).counts() == {"cats": 2}  # type: ignore[union-attr]


def test_every_frame_of_two_bursts_at_once_is_on_disk_and_in_the_count(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "left", "right")
    frame = photo(tmp_path / "frame.jpg")
    acknowledged: list[str] = []

    def burst(name: str) -> None:
        for _ in range(50):
            acknowledged.append(tab.collect.snap(choice, OWNER, name, frame)[0])

    threads = [threading.Thread(target=burst, args=[name]) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = data_choices.own_collection(choice, tab.settings, OWNER)
    assert own is not None
    assert own.counts() == {"left": 50, "right": 50}
    assert len(list(own.folder.glob("*/*.jpg"))) == len(acknowledged) == 100
    assert {"50 photos in left", "50 photos in right"} <= {re.sub("<.*?>", "", said) for said in acknowledged}


@pytest.mark.parametrize("workspace", [OTHER, "", "../x", f"{OTHER}/../{OWNER}", None])
def test_nobody_else_opens_a_collection(workspace: Any, tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "cats")
    before = sorted(tab.settings.uploads.rglob("*"))
    for handler, rest in (
        (tab.collect.take, ["cats", photo(tmp_path / "a.png")]),
        (tab.collect.snap, ["cats", photo(tmp_path / "a.png")]),
        (tab.collect.made_class, ["dogs"]),
        (tab.collect.deleted_class, ["cats", True]),
        (tab.collect.packed, []),
        (tab.deleted, [True]),
    ):
        with pytest.raises(gr.Error):
            handler(choice, workspace, *rest)
    assert sorted(tab.settings.uploads.rglob("*")) == before


def test_a_photo_of_another_class_or_folder_cannot_be_named_for_removal(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "cats", "dogs")
    for name in ("cats", "dogs"):
        tab.collect.take(choice, OWNER, name, photo(tmp_path / "a.png"))
    own = data_choices.own_collection(choice, tab.settings, OWNER)
    assert own is not None
    dog = own.photos("dogs")[0].name
    tab.collect.removed(choice, OWNER, "cats", f'["../dogs/{dog}", "../../../x", "{own.photos("cats")[0].name}"]')
    assert own.counts() == {"cats": 0, "dogs": 1}


def test_a_collection_is_deleted_for_good_only_when_that_is_meant(tab: DataTab) -> None:
    choice = new_collection(tab, "cats")
    with pytest.raises(gr.Error, match="I am sure"):
        tab.deleted(choice, OWNER, False)
    tab.deleted(choice, OWNER, True)
    assert not list((tab.settings.uploads / OWNER).glob("own-*"))


def test_a_packed_collection_comes_back_as_an_upload(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "red", "blue")
    for name in ("red", "blue"):
        tab.collect.take(choice, OWNER, name, [photo(tmp_path / f"{name}{n}.png", name) for n in range(3)])
    archive = tab.collect.packed(choice, OWNER).value["path"]
    told: list[Progress] = []
    taken = run_command("take", [archive, "--into", str(tab.settings.uploads / OTHER)], tab.settings, told.append)
    data = corrections.described(data_choices.UPLOAD + taken["folder"], tab.settings, OTHER)
    assert data is not None
    assert data.counts() == {"blue": {"train": 3}, "red": {"train": 3}}
    assert told
    assert told[-1].stage == "unpacking"


def test_a_refused_zip_is_refused_in_the_engines_words_and_leaves_nothing(here: Settings, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(EngineError, match=r"broken\.zip is cut short: copy or upload it again\.$"):
        run_command("take", [str(tmp_path / "broken.zip"), "--into", str(here.uploads / OWNER)], here, print)
    assert not [path for path in here.uploads.rglob("*") if path.is_file()]


def test_the_pages_limits_hold_in_the_process_that_unpacks(
    make_images: MakeImages, here: Settings, tmp_path: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "many"), "zip", make_images("in"))
    tight = dataclasses.replace(here, limits=dataclasses.replace(here.limits, entries=3))
    with pytest.raises(EngineError, match="the most files taken is 3"):
        run_command("take", [archive, "--into", str(here.uploads / OWNER)], tight, print)


def test_the_gallery_is_paged_and_filtered(make_images: MakeImages, tab: DataTab) -> None:
    make_images("data/many", each=20)
    view = tab.look
    first = view.show("folder:many", OWNER)
    assert len(value(view, first, view.grid.gallery)) == PER_PAGE
    assert "40 photos, page 1 of 2" in value(view, first, view.grid.where)
    items = view.items("folder:many", OWNER, "all", "all")
    assert len(view.grid.show(items, page=99)[0]) == 40 - PER_PAGE
    only = view.show("folder:many", OWNER, "red", "train")
    assert len(value(view, only, view.grid.gallery)) == 20
    assert view.show("folder:many", OWNER, "red", "val")[1] == []


def test_a_click_marks_a_photo_and_another_takes_the_mark_away() -> None:
    shown = '["a", "b", "c"]'
    once = toggled("[]", shown, 1)
    assert names(once) == {"b"}
    assert toggled(once, shown, 1) == "[]"
    assert names(toggled(once, shown, 2)) == {"b", "c"}
    assert toggled(once, shown, 7) == toggled(once, shown, -1) == once


def test_a_photo_that_cannot_be_shown_keeps_its_place_in_the_gallery(tab: DataTab, tmp_path: Path) -> None:
    items = [Item(tmp_path / name, name, name) for name in ("gone.png", "there.png")]
    photo(tmp_path / "there.png")
    shown = tab.look.grid.show(items)
    assert [caption for _, caption in shown[0]] == ["gone.png", "there.png"]
    assert shown[-1] == '["gone.png", "there.png"]'


@pytest.mark.parametrize("sent", ["", "nonsense", "{}", "[1, null]", '"a"', None, "[" * 100_000])
def test_marks_that_are_none_count_as_none(sent: Any) -> None:
    assert names(sent) == set()


def test_a_photo_is_shown_as_the_network_sees_it(make_images: MakeImages, tab: DataTab) -> None:
    make_images("data/some", classes=("red", MARKUP[:20]))
    seen = tab.look.through_the_network(
        "folder:some", OWNER, "all", "all", "[]", "efficientnet_lite0", "tutorial", "pad"
    )
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', seen)
    assert len(pictures) == 1 + 3 + 1 + 6
    assert all(base64.b64decode(p).startswith(b"\xff\xd8") for p in pictures)
    assert "<img src=x" not in seen
    assert seen.count("<figure>") == len(pictures)


def report(**found: Any) -> Report:
    empty: dict[str, Any] = {"left_out": [], "junk": 0, "converted": [], "tiny": [], "odd": [], "duplicates": []}
    more: dict[str, Any] = {"suspicious_labels": [], "separability": {}, "advice": []}
    return Report(**{"classes": {"blue": {"train": 6}, "red": {"train": 6}}, **empty, **more, **found})


@pytest.fixture
def checked(make_images: MakeImages, tab: DataTab) -> tuple[DataTab, list[str]]:
    """A tab whose report doubts two labels, knows a pair of duplicates and an odd picture; and all files."""
    folder = make_images("data/colours")
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    doubts = [{"file": f, "label": "blue", "suggested": "red", "score": 0.5} for f in files[:2]]
    twins = Duplicates(files=(files[2], files[7]), kind="exact", across_splits=True, across_classes=True, kept=files[7])
    odd = [{"file": files[3], "reason": "odd"}]
    told = report(suspicious_labels=doubts, duplicates=[twins], odd=odd)
    tab.check.reports.keep(OWNER, "folder:colours", told, corrections.stamp(folder))
    return tab, files


def labels_of(tab: DataTab, workspace: str) -> dict[str, str]:
    data = corrections.described("folder:colours", tab.settings, workspace)
    assert data is not None
    return {r.path.relative_to(data.root).as_posix(): data.classes[r.label] for r in data.records}


def test_findings_are_mended_for_their_visitor_alone_and_all_can_be_undone(
    checked: tuple[DataTab, list[str]],
) -> None:
    tab, files = checked
    before, originals = labels_of(tab, OWNER), {p: p.read_bytes() for p in tab.settings.data_dir.rglob("*.png")}
    tab.check.judged("relabel", "folder:colours", OWNER, f'["{files[0]}"]')
    tab.check.judged("keep", "folder:colours", OWNER, f'["{files[1]}"]')
    tab.check.deduplicated("folder:colours", OWNER)
    shown = tab.check.left_out("folder:colours", OWNER, "[]")
    after = labels_of(tab, OWNER)
    assert before.keys() - after.keys() == {files[2], files[3]}
    assert {f for f in after if after[f] != before[f]} == {files[0]}
    assert labels_of(tab, OTHER) == before
    assert value(tab.check, shown, tab.check.labels.gallery) == []
    assert "4 photos" in value(tab.check, shown, tab.check.undo).value
    tab.check.undone("folder:colours", OWNER)
    assert labels_of(tab, OWNER) == before
    assert {p: p.read_bytes() for p in tab.settings.data_dir.rglob("*.png")} == originals


def test_training_gets_the_corrected_data_and_its_name(checked: tuple[DataTab, list[str]]) -> None:
    tab, files = checked
    assert start.checked_config({"data": "folder:colours"}, tab.settings, OWNER).data.endswith("colours")
    tab.check.judged("drop", "folder:colours", OWNER, f'["{files[0]}"]')
    config = start.checked_config({"data": "folder:colours"}, tab.settings, OWNER)
    given = Path(config.data).read_text()
    assert files[0] in given
    tab.check.undone("folder:colours", OWNER)  # a run that waits keeps what it was given
    assert Path(config.data).read_text() == given
    assert config.data.endswith("colours.json")
    assert start.data_name(config.data) == "colours"
    assert start.checked_config({"data": "folder:colours"}, tab.settings, OTHER).data.endswith("colours")


def test_buttons_below_a_report_that_is_gone_say_so(tab: DataTab, make_images: MakeImages) -> None:
    make_images("data/colours")
    click: Callable[..., Any]
    for click in (tab.check.deduplicated, lambda c, w: tab.check.left_out(c, w, "[]")):
        with pytest.raises(gr.Error, match="press Check this data set again"):
            click("folder:colours", OWNER)


def test_names_in_a_report_are_text() -> None:
    told = report(classes={MARKUP: {"train": 2}}, left_out=[{"file": MARKUP, "reason": MARKUP}], advice=[MARKUP])
    assert "<img" not in report_html(told, Located(root=Path()))


def test_a_table_by_class_and_split_and_a_bounded_list_of_files() -> None:
    table = counts_table({"a": {"train": 1200, "val": 3}, "b": {"train": 1}})
    assert "1,200" in table
    assert "validation" in table
    assert "test" not in table
    assert "validation" not in counts_table({"a": {"train": 1}, "b": {"train": 1}})
    assert findings_html("Left out", [{"file": "f", "reason": "r"}] * (MOST_FILES + 5)).count("<tr>") == MOST_FILES


def test_a_visitor_who_has_brought_the_most_kept_for_one_person_is_told(
    tab: DataTab, make_images: MakeImages, tmp_path: Path
) -> None:
    choice = new_collection(tab, "cats")
    tight = dataclasses.replace(tab.settings, limits=dataclasses.replace(tab.settings.limits, person_bytes=500))
    tab.collect.settings = tight
    said = tab.collect.take(choice, OWNER, "cats", [photo(tmp_path / "a.png")] * 9)[0]
    assert "9 photos added" in said
    room.COUNTED.clear()  # as two seconds later
    said = tab.collect.take(choice, OWNER, "cats", [photo(tmp_path / "a.png")] * 9)[0]
    assert "0 photos added" in said
    assert "the most kept for one person" in said
    archive = shutil.make_archive(str(tmp_path / "more"), "zip", make_images("in"))
    with pytest.raises(EngineError, match="the most kept for one person"):
        run_command("take", [archive, "--into", str(tight.uploads / OWNER)], tight, print)
    taken = run_command("take", [archive, "--into", str(tight.uploads / OTHER)], tab.settings, print)
    assert (tight.uploads / OTHER / taken["folder"]).is_dir()


def test_a_burst_does_not_flow_into_another_class_when_its_own_is_deleted(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "ants", "bees")
    with pytest.raises(gr.Error, match="I am sure"):
        tab.collect.deleted_class(choice, OWNER, "ants", False)
    shown = tab.collect.deleted_class(choice, OWNER, "ants", True)
    assert value(tab.collect, shown, tab.collect.name).value is None
    said = tab.collect.snap(choice, OWNER, "", photo(tmp_path / "a.png"))[0]
    assert "Add a class first" in said
    assert "no class" in tab.collect.snap(choice, OWNER, "ants", photo(tmp_path / "a.png"))[0]
    own = data_choices.own_collection(choice, tab.settings, OWNER)
    assert own is not None
    assert own.counts() == {"bees": 0}


def test_an_open_page_goes_on_collecting_after_a_restart_forgot_its_classes(tab: DataTab) -> None:
    assert tab.collect.name.preprocess("cats") == "cats"
    assert tab.collect.name.preprocess(["no text"]) == ""  # type: ignore[arg-type]


def test_photos_still_being_collected_can_be_looked_at(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "only")
    tab.collect.take(choice, OWNER, "only", photo(tmp_path / "a.png"))
    assert [item.caption for item in tab.look.items(choice, OWNER, "all", "all")] == ["only, train"]


def test_a_data_set_deleted_in_another_tab_gives_way_to_another(tab: DataTab) -> None:
    choice = new_collection(tab, "cats")
    tab.deleted(choice, OWNER, True)
    tab.listed(choice, OWNER)  # no refusal
    assert tab._present(OWNER, choice) == data_choices.default_choice(tab.settings)


def test_a_zip_named_like_a_collection_is_none(tab: DataTab, make_images: MakeImages, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "own-pets"), "zip", make_images("in"))
    taken = run_command("take", [archive, "--into", str(tab.settings.uploads / OWNER)], tab.settings, print)
    assert data_choices.own_collection(data_choices.UPLOAD + taken["folder"], tab.settings, OWNER) is None


def test_corrections_that_cannot_be_read_can_be_undone(checked: tuple[DataTab, list[str]]) -> None:
    tab, files = checked
    tab.check.judged("drop", "folder:colours", OWNER, f'["{files[0]}"]')
    kept = corrections.mends_file("folder:colours", tab.settings, OWNER)
    kept.write_text("{")
    with pytest.raises(EngineError, match="press Undo all corrections"):
        corrections.described("folder:colours", tab.settings, OWNER)
    shown = tab.check.show("folder:colours", OWNER)
    assert "press Undo" in value(tab.check, shown, tab.check.summary)
    assert value(tab.check, shown, tab.check.undo).visible
    tab.check.undone("folder:colours", OWNER)
    assert files[0] in labels_of(tab, OWNER)


def test_a_report_on_a_data_set_that_changed_since_says_so(checked: tuple[DataTab, list[str]]) -> None:
    tab, _ = checked
    assert "has changed since" not in value(tab.check, tab.check.show("folder:colours", OWNER), tab.check.summary)
    photo(tab.settings.data_dir / "colours" / "red" / "new.png")
    assert "has changed since" in value(tab.check, tab.check.show("folder:colours", OWNER), tab.check.summary)

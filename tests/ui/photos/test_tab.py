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
from tl_engine.sources.collection import Collection
from tl_engine.workspaces import data_choices, start
from tl_engine.workspaces.chosen import UPLOAD, last_change
from tl_engine.workspaces.worker import run_command
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import Updates
from ui.parts.data_table import MOST_FILES, counts_table, findings_html
from ui.parts.photo_grid import PER_PAGE, Item, names, toggled
from ui.photos.check_words import report_html
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


def visitor(tab: DataTab, token: str = OWNER) -> Workspace:
    return Workspace(tab.settings, token)


def collection_of(tab: DataTab, choice: str) -> Collection:
    own = visitor(tab).data(choice).collection
    assert own is not None
    return own


def said_by(tab: DataTab, shown: Updates) -> str:
    return str(shown[tab.collect.said])


def new_collection(tab: DataTab, *classes: str) -> str:
    tab.create_collection(OWNER)
    choice = next(v for label, v in visitor(tab).choices() if label == "Yours: My photos")
    for name in classes:
        tab.collect.add_class(choice, OWNER, name)
    return choice


def photo(path: Path, colour: str = "red") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    return str(path)


def test_a_collection_takes_twenty_classes_and_more(tab: DataTab) -> None:
    choice = new_collection(tab, *(f"class {number}" for number in range(25)))
    shown = tab.collect.show_class(choice, OWNER, "class 7")[tab.collect.name]
    assert len(shown.choices) == 25
    assert shown.value == "class 7"


def test_photos_are_kept_and_what_is_none_is_named(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "cats")
    text = tmp_path / f"{MARKUP[:9]}.jpg"
    text.write_text("no picture")
    said = said_by(
        tab,
        tab.collect.take_files(
            choice, OWNER, "cats", [photo(tmp_path / "a.png"), str(text), photo(tmp_path / "b.png")]
        ),
    )
    assert "2 photos added" in said
    assert "1 file left out" in said
    assert "not a picture" in said
    assert MARKUP[:9] not in said
    assert collection_of(tab, choice).counts() == {"cats": 2}


def test_every_frame_of_two_bursts_at_once_is_on_disk_and_in_the_count(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "left", "right")
    frame = photo(tmp_path / "frame.jpg")
    acknowledged: list[str] = []

    def burst(name: str) -> None:
        for _ in range(50):
            acknowledged.append(said_by(tab, tab.collect.take_frame(choice, OWNER, name, frame)))

    threads = [threading.Thread(target=burst, args=[name]) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = collection_of(tab, choice)
    assert own.counts() == {"left": 50, "right": 50}
    assert len(list(own.folder.glob("*/*.jpg"))) == len(acknowledged) == 100
    assert {"50 photos in left", "50 photos in right"} <= {re.sub("<.*?>", "", said) for said in acknowledged}


@pytest.mark.parametrize("workspace", [OTHER, "", "../x", f"{OTHER}/../{OWNER}", None])
def test_nobody_else_opens_a_collection(workspace: Any, tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "cats")
    before = sorted(tab.settings.uploads.rglob("*"))
    for handler, rest in (
        (tab.collect.take_files, ["cats", photo(tmp_path / "a.png")]),
        (tab.collect.take_frame, ["cats", photo(tmp_path / "a.png")]),
        (tab.collect.add_class, ["dogs"]),
        (tab.collect.delete_class, ["cats", True]),
        (tab.collect.pack_zip, []),
        (tab.delete_collection, [True]),
    ):
        with pytest.raises(gr.Error):
            handler(choice, workspace, *rest)
    assert sorted(tab.settings.uploads.rglob("*")) == before


def test_a_photo_of_another_class_or_folder_cannot_be_named_for_removal(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "cats", "dogs")
    for name in ("cats", "dogs"):
        tab.collect.take_files(choice, OWNER, name, photo(tmp_path / "a.png"))
    own = collection_of(tab, choice)
    dog = own.photos("dogs")[0].name
    tab.collect.drop_marked(choice, OWNER, "cats", f'["../dogs/{dog}", "../../../x", "{own.photos("cats")[0].name}"]')
    assert own.counts() == {"cats": 0, "dogs": 1}


def test_a_collection_is_deleted_for_good_only_when_that_is_meant(tab: DataTab) -> None:
    choice = new_collection(tab, "cats")
    with pytest.raises(gr.Error, match="I am sure"):
        tab.delete_collection(choice, OWNER, False)
    tab.delete_collection(choice, OWNER, True)
    assert not list((tab.settings.uploads / OWNER).glob("own-*"))


def test_a_packed_collection_comes_back_as_an_upload(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "red", "blue")
    for name in ("red", "blue"):
        tab.collect.take_files(choice, OWNER, name, [photo(tmp_path / f"{name}{n}.png", name) for n in range(3)])
    archive = tab.collect.pack_zip(choice, OWNER).value["path"]
    told: list[Progress] = []
    taken = run_command("take", [archive, "--into", str(tab.settings.uploads / OTHER)], tab.settings, told.append)
    data = visitor(tab, OTHER).data(UPLOAD + taken["folder"]).described()
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
    first = view.show_photos("folder:many", OWNER)
    assert len(first[view.grid.gallery]) == PER_PAGE
    assert "40 photos, page 1 of 2" in first[view.grid.where]
    items = view.items("folder:many", OWNER, "all", "all")
    assert len(view.grid.show(items, page=99)[view.grid.gallery]) == 40 - PER_PAGE
    only = view.show_photos("folder:many", OWNER, "red", "train")
    assert len(only[view.grid.gallery]) == 20
    assert view.show_photos("folder:many", OWNER, "red", "val")[view.grid.gallery] == []


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
    grid = tab.look.grid
    shown = grid.show(items)
    assert [caption for _, caption in shown[grid.gallery]] == ["gone.png", "there.png"]
    assert shown[grid.files] == '["gone.png", "there.png"]'


@pytest.mark.parametrize("sent", ["", "nonsense", "{}", "[1, null]", '"a"', None, "[" * 100_000])
def test_marks_that_are_none_count_as_none(sent: Any) -> None:
    assert names(sent) == set()


def test_a_photo_is_shown_as_the_network_sees_it(make_images: MakeImages, tab: DataTab) -> None:
    make_images("data/some", classes=("red", MARKUP[:20]))
    seen = tab.look.see_through_network(
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
    tab.check.reports.keep(visitor(tab).data("folder:colours"), told, last_change(folder))
    return tab, files


def report_of(tab: DataTab) -> str:
    return str(tab.check.show(visitor(tab).data("folder:colours"))[tab.check.summary])


def labels_of(tab: DataTab, workspace: str) -> dict[str, str]:
    data = visitor(tab, workspace).data("folder:colours").described()
    assert data is not None
    return {r.path.relative_to(data.root).as_posix(): data.classes[r.label] for r in data.records}


def test_findings_are_mended_for_their_visitor_alone_and_all_can_be_undone(
    checked: tuple[DataTab, list[str]],
) -> None:
    tab, files = checked
    before, originals = labels_of(tab, OWNER), {p: p.read_bytes() for p in tab.settings.data_dir.rglob("*.png")}
    tab.check.judge_marked("relabel", "folder:colours", OWNER, f'["{files[0]}"]')
    tab.check.judge_marked("keep", "folder:colours", OWNER, f'["{files[1]}"]')
    tab.check.keep_one_of_each("folder:colours", OWNER)
    shown = tab.check.drop_odd("folder:colours", OWNER, "[]")
    after = labels_of(tab, OWNER)
    assert before.keys() - after.keys() == {files[2], files[3]}
    assert {f for f in after if after[f] != before[f]} == {files[0]}
    assert labels_of(tab, OTHER) == before
    assert shown[tab.check.labels.gallery] == []
    assert "4 photos" in shown[tab.check.undo].value
    tab.check.undo_corrections("folder:colours", OWNER)
    assert labels_of(tab, OWNER) == before
    assert {p: p.read_bytes() for p in tab.settings.data_dir.rglob("*.png")} == originals


def test_training_gets_the_corrected_data_and_its_name(checked: tuple[DataTab, list[str]]) -> None:
    tab, files = checked
    assert start.checked_config({"data": "folder:colours"}, visitor(tab)).data.endswith("colours")
    tab.check.judge_marked("drop", "folder:colours", OWNER, f'["{files[0]}"]')
    config = start.checked_config({"data": "folder:colours"}, visitor(tab))
    given = Path(config.data).read_text()
    assert files[0] in given
    tab.check.undo_corrections("folder:colours", OWNER)  # a run that waits keeps what it was given
    assert Path(config.data).read_text() == given
    assert config.data.endswith("colours.json")
    assert start.data_name(config.data) == "colours"
    assert start.checked_config({"data": "folder:colours"}, visitor(tab, OTHER)).data.endswith("colours")


def test_buttons_below_a_report_that_is_gone_say_so(tab: DataTab, make_images: MakeImages) -> None:
    make_images("data/colours")
    click: Callable[..., Any]
    for click in (tab.check.keep_one_of_each, lambda c, w: tab.check.drop_odd(c, w, "[]")):
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
    said = said_by(tab, tab.collect.take_files(choice, OWNER, "cats", [photo(tmp_path / "a.png")] * 9))
    assert "9 photos added" in said
    room.used_bytes.cache_clear()  # as two seconds later
    said = said_by(tab, tab.collect.take_files(choice, OWNER, "cats", [photo(tmp_path / "a.png")] * 9))
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
        tab.collect.delete_class(choice, OWNER, "ants", False)
    shown = tab.collect.delete_class(choice, OWNER, "ants", True)
    assert shown[tab.collect.name].value is None
    said = said_by(tab, tab.collect.take_frame(choice, OWNER, "", photo(tmp_path / "a.png")))
    assert "Add a class first" in said
    assert "no class" in said_by(tab, tab.collect.take_frame(choice, OWNER, "ants", photo(tmp_path / "a.png")))
    own = collection_of(tab, choice)
    assert own.counts() == {"bees": 0}


def test_an_open_page_goes_on_collecting_after_a_restart_forgot_its_classes(tab: DataTab) -> None:
    assert tab.collect.name.preprocess("cats") == "cats"
    assert tab.collect.name.preprocess(["no text"]) == ""  # type: ignore[arg-type]


def test_photos_still_being_collected_can_be_looked_at(tab: DataTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "only")
    tab.collect.take_files(choice, OWNER, "only", photo(tmp_path / "a.png"))
    assert [item.caption for item in tab.look.items(choice, OWNER, "all", "all")] == ["only, train"]


def test_a_data_set_deleted_in_another_tab_gives_way_to_another(tab: DataTab) -> None:
    choice = new_collection(tab, "cats")
    tab.delete_collection(choice, OWNER, True)
    tab.list_data(choice, OWNER)  # no refusal
    assert visitor(tab).present(choice) == data_choices.default_choice(tab.settings)


def test_a_zip_named_like_a_collection_is_none(tab: DataTab, make_images: MakeImages, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "own-pets"), "zip", make_images("in"))
    taken = run_command("take", [archive, "--into", str(tab.settings.uploads / OWNER)], tab.settings, print)
    assert visitor(tab).data(UPLOAD + taken["folder"]).collection is None


def test_corrections_that_cannot_be_read_can_be_undone(checked: tuple[DataTab, list[str]]) -> None:
    tab, files = checked
    tab.check.judge_marked("drop", "folder:colours", OWNER, f'["{files[0]}"]')
    kept = visitor(tab).data("folder:colours").mends_file
    kept.write_text("{")
    with pytest.raises(EngineError, match="press Undo all corrections"):
        visitor(tab).data("folder:colours").described()
    shown = tab.check.show(visitor(tab).data("folder:colours"))
    assert "press Undo" in shown[tab.check.summary]
    assert shown[tab.check.undo].visible
    tab.check.undo_corrections("folder:colours", OWNER)
    assert files[0] in labels_of(tab, OWNER)


def test_a_report_on_a_data_set_that_changed_since_says_so(checked: tuple[DataTab, list[str]]) -> None:
    tab, _ = checked
    assert "has changed since" not in report_of(tab)
    photo(tab.settings.data_dir / "colours" / "red" / "new.png")
    assert "has changed since" in report_of(tab)


def test_a_data_set_changes_all_that_the_views_show_and_nothing_else(
    checked: tuple[DataTab, list[str]],
) -> None:
    tab, _ = checked
    for choice in (None, "digits", "folder:colours", new_collection(tab, "cats")):
        assert set(tab.show_data(choice, OWNER)) == set(tab.shown)
    made = tab.create_collection(OWNER)
    assert set(made) == {*tab.shown, tab.choice, tab.views, tab.workspace}

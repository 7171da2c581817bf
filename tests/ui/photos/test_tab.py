"""The Photos tab without a browser: its handlers, what they leave on the disk, and who may see it."""

import base64
import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from tests.conftest import MakeImages
from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.data.mends import Located
from tl_engine.inspection.findings import Duplicates, Report
from tl_engine.jobs.worker import run_command
from tl_engine.sources import collection
from tl_engine.workspaces import data_choices, start
from tl_engine.workspaces.chosen import UPLOAD, last_change
from tl_engine.workspaces.forget import delete_data
from tl_engine.workspaces.workspace import Workspace
from ui.parts.data_table import MOST_FILES, counts_table, findings_html
from ui.parts.photo_grid import PER_PAGE, Item, all_toggled, names, toggled
from ui.photos.check_words import report_html
from ui.photos.tab import PhotosTab
from ui.train.form import TrainForm

pytestmark = pytest.mark.usefixtures("unserved")

OWNER, OTHER = "a" * 32, "b" * 32
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def tab(here: Settings) -> PhotosTab:
    """The tab in a page of its own."""
    with gr.Blocks(analytics_enabled=False), gr.Tabs():
        workspace = gr.BrowserState("", storage_key="k", secret="s")
        with gr.Tab("Train"):
            form = TrainForm(here)
        made = PhotosTab(here, workspace)
        made.connect(form)
    return made


def visitor(tab: PhotosTab, token: str = OWNER) -> Workspace:
    return Workspace(tab.settings, token)


def new_collection(tab: PhotosTab, *classes: str) -> str:
    own = collection.create(tab.settings.uploads / OWNER, "My photos", classes)
    return UPLOAD + own.folder.name


def photo(path: Path, colour: str = "red") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    return str(path)


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


def test_the_gallery_is_paged_and_filtered(make_images: MakeImages, tab: PhotosTab) -> None:
    make_images("data/many", each=20)
    view = tab.look
    first = view.show_photos("folder:many", OWNER)
    assert len(first[view.grid.gallery]) == PER_PAGE
    assert "40 photos, page 1 of 2" in first[view.grid.where]
    assert not first[view.grid.all].visible  # marking many means nothing here
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
    assert names(all_toggled(once, shown)) == {"a", "b", "c"}
    assert names(all_toggled('["a", "b", "c", "elsewhere"]', shown)) == {"elsewhere"}


def test_a_photo_that_cannot_be_shown_keeps_its_place_in_the_gallery(tab: PhotosTab, tmp_path: Path) -> None:
    items = [Item(tmp_path / name, name, name) for name in ("gone.png", "there.png")]
    photo(tmp_path / "there.png")
    grid = tab.look.grid
    shown = grid.show(items)
    assert [caption for _, caption in shown[grid.gallery]] == ["gone.png", "there.png"]
    assert shown[grid.files] == '["gone.png", "there.png"]'


@pytest.mark.parametrize("sent", ["", "nonsense", "{}", "[1, null]", '"a"', None, "[" * 100_000])
def test_marks_that_are_none_count_as_none(sent: Any) -> None:
    assert names(sent) == set()


def test_a_photo_is_shown_as_the_network_sees_it(make_images: MakeImages, tab: PhotosTab) -> None:
    make_images("data/some", classes=("red", MARKUP[:20]))
    seen = tab.look.see_through_network(
        "folder:some", OWNER, "all", "all", "[]", "efficientnet_lite0", "tutorial", "pad"
    )[tab.look.seen]
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
def checked(make_images: MakeImages, tab: PhotosTab) -> tuple[PhotosTab, list[str]]:
    """A tab whose report doubts two labels, knows a pair of duplicates and an odd picture; and all files."""
    folder = make_images("data/colours")
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    doubts = [{"file": f, "label": "blue", "suggested": "red", "score": 0.5} for f in files[:2]]
    twins = Duplicates(files=(files[2], files[7]), kind="exact", across_splits=True, across_classes=True, kept=files[7])
    odd = [{"file": files[3], "reason": "odd"}]
    told = report(suspicious_labels=doubts, duplicates=[twins], odd=odd)
    tab.check.reports.keep(visitor(tab).data("folder:colours"), told, last_change(folder))
    return tab, files


def report_of(tab: PhotosTab) -> str:
    return str(tab.check.show(visitor(tab).data("folder:colours"))[tab.check.summary])


def labels_of(tab: PhotosTab, workspace: str) -> dict[str, str]:
    data = visitor(tab, workspace).data("folder:colours").described()
    assert data is not None
    return {r.path.relative_to(data.root).as_posix(): data.classes[r.label] for r in data.records}


def test_findings_are_mended_for_their_visitor_alone_and_all_can_be_undone(
    checked: tuple[PhotosTab, list[str]],
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


def test_training_gets_the_corrected_data_and_its_name(checked: tuple[PhotosTab, list[str]]) -> None:
    tab, files = checked
    assert start.checked_config({"data": "folder:colours"}, visitor(tab)).data.endswith("colours")
    tab.check.judge_marked("drop", "folder:colours", OWNER, f'["{files[0]}"]')
    config = start.checked_config({"data": "folder:colours"}, visitor(tab))
    given = Path(config.data).read_text()
    assert files[0] in given
    tab.check.undo_corrections("folder:colours", OWNER)  # a run that waits keeps what it was given
    assert Path(config.data).read_text() == given
    assert config.data.endswith("colours.json")
    assert visitor(tab).data("folder:colours").run_title == "colours"
    assert start.checked_config({"data": "folder:colours"}, visitor(tab, OTHER)).data.endswith("colours")


def test_buttons_below_a_report_that_is_gone_say_so(tab: PhotosTab, make_images: MakeImages) -> None:
    make_images("data/colours")
    click: Callable[..., Any]
    for click in (tab.check.keep_one_of_each, lambda c, w: tab.check.drop_odd(c, w, "[]")):
        with pytest.raises(EngineError, match="press Check this data set again"):
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


def test_photos_still_being_collected_can_be_looked_at(tab: PhotosTab, tmp_path: Path) -> None:
    choice = new_collection(tab, "only")
    tab.cards.take_photos(tab.cards.cards[0], choice, OWNER, "only", "only", [photo(tmp_path / "a.png")])
    assert [item.caption for item in tab.look.items(choice, OWNER, "all", "all")] == ["only, train"]


def test_a_data_set_deleted_in_another_tab_gives_way_to_another(tab: PhotosTab) -> None:
    choice = new_collection(tab, "cats")
    delete_data(visitor(tab), choice)
    assert set(tab.show_data(choice, OWNER)) <= set(tab.shown)  # no refusal
    assert visitor(tab).present(choice) == data_choices.default_choice(tab.settings)


def test_a_zip_named_like_a_collection_is_none(tab: PhotosTab, make_images: MakeImages, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "own-pets"), "zip", make_images("in"))
    taken = run_command("take", [archive, "--into", str(tab.settings.uploads / OWNER)], tab.settings, print)
    assert visitor(tab).data(UPLOAD + taken["folder"]).collection is None


def test_corrections_that_cannot_be_read_can_be_undone(checked: tuple[PhotosTab, list[str]]) -> None:
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


def test_a_report_on_a_data_set_that_changed_since_says_so(checked: tuple[PhotosTab, list[str]]) -> None:
    tab, _ = checked
    assert "has changed since" not in report_of(tab)
    photo(tab.settings.data_dir / "colours" / "red" / "new.png")
    assert "has changed since" in report_of(tab)


def test_a_data_set_changes_all_that_the_views_show_and_nothing_else(
    checked: tuple[PhotosTab, list[str]],
) -> None:
    tab, _ = checked
    mine = new_collection(tab, "cats")
    known = set(tab.shown)
    for choice in (None, "digits", "folder:colours", mine):
        shown = set(tab.show_data(choice, OWNER))
        assert shown <= known
        assert {*tab.summary.shown, tab.keep.box, *tab.check.shown, *tab.undo.shown, tab.cards.panel} <= shown
    assert tab.show_data(mine, OWNER)[tab.cards.cards[0].name] == "cats"


def test_a_data_set_that_is_shown_is_not_shown_again(tab: PhotosTab) -> None:
    shown = tab.show_data("digits", OWNER)
    assert shown[tab.seen] == "digits"
    assert set(tab.show_data("digits", OWNER, "digits")) == {tab.seen}


def test_a_list_that_comes_late_changes_no_choice(tab: PhotosTab) -> None:
    listed = tab.list_data(OWNER)
    assert "value" not in listed._constructor_args[0]


def test_my_own_photos_open_with_two_cards_and_the_doors_close(tab: PhotosTab) -> None:
    shown = tab.doors.create_collection(OWNER)
    choice = shown[tab.choice].value
    assert visitor(tab).data(choice).collection.classes() == ["Class 1", "Class 2"]  # type: ignore[union-attr]
    assert not shown[tab.doors.box].visible
    assert tab.doors.show(visitor(tab))[tab.doors.box].visible is False
    assert tab.doors.show(visitor(tab, OTHER))[tab.doors.box].visible is True


def test_what_is_checked_waits_in_the_label(checked: tuple[PhotosTab, list[str]]) -> None:
    tab, _ = checked
    shown = tab.check.show(visitor(tab).data("folder:colours"))
    assert shown[tab.check.box].label.endswith(": 5 found")  # two labels, two twins, one odd


def test_all_that_is_a_visitors_is_listed_with_sizes_and_deleted(tab: PhotosTab, tmp_path: Path) -> None:
    view = tab.things
    view.after = lambda *_: {}
    choice = new_collection(tab, "cats")
    tab.cards.take_photos(tab.cards.cards[0], choice, OWNER, "cats", "cats", [photo(tmp_path / "a.png")])
    ((label, key),) = view.list_things(OWNER)[view.thing].choices
    assert "My photos, 1 photo" in label
    assert view.list_things(OTHER)[view.thing].choices == []
    with pytest.raises(EngineError):
        view.delete_one(OTHER, key)
    with pytest.raises(EngineError):
        view.about_all(OTHER)
    assert "My photos" in view.about_one(OWNER, key)
    view.delete_one(OWNER, key)
    assert not list(tab.settings.uploads.rglob("*.png"))

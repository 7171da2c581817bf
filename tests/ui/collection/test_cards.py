"""A data set of one's own without a browser: its cards' handlers, what they leave on the disk, and who may see it."""

import dataclasses
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from tests.conftest import MakeImages
from tl_engine.base.errors import EngineError
from tl_engine.base.events import Progress
from tl_engine.base.settings import Settings
from tl_engine.jobs.worker import run_command
from tl_engine.sources import collection, room
from tl_engine.sources.collection import Collection
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace
from ui.collection.cards import CARDS, Cards
from ui.collection.keep_view import KeepView
from ui.collection.undo import Undo
from ui.parts.acting import answering, said_line
from ui.parts.components import Updates

pytestmark = pytest.mark.usefixtures("unserved")

OWNER, OTHER = "a" * 32, "b" * 32
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def cards(here: Settings) -> Cards:
    """The cards in a page of their own."""
    with gr.Blocks(analytics_enabled=False):
        made = Cards(here, gr.BrowserState("", storage_key="k", secret="s"))
        made.connect(gr.Dropdown(), Undo(), said_line("said"))
    return made


@pytest.fixture
def keep(here: Settings) -> KeepView:
    """The view of its name and its end."""
    with gr.Blocks(analytics_enabled=False):
        made = KeepView(here, gr.BrowserState("", storage_key="k", secret="s"))
        made.connect(gr.Dropdown())
    return made


def own_data(settings: Settings, *classes: str) -> tuple[str, Collection]:
    own = collection.create(settings.uploads / OWNER, "My photos", classes)
    return UPLOAD + own.folder.name, own


def photo(path: Path, colour: str = "red") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    return str(path)


def take(cards: Cards, choice: str, name: str, *files: str, workspace: Any = OWNER) -> Updates:
    """Photos into the first card, which shows that class."""
    return cards.take_photos(cards.cards[0], choice, workspace, name, name, list(files))


def said_by(cards: Cards, shown: Updates) -> str:
    return str(shown[cards.said])


def test_a_collection_shows_six_classes_at_once_and_the_others_page_by_page(cards: Cards) -> None:
    choice, own = own_data(cards.settings, *(f"class {number:02d}" for number in range(25)))
    shown = cards.show(own, 2)
    assert [shown[card.name] for card in cards.cards] == [f"class {number:02d}" for number in range(6, 12)]
    assert "7 to 12 of 25" in shown[cards.where]
    last = cards.turn_page(1, choice, OWNER, 4)
    assert [last[card.box].visible for card in cards.cards] == [True, *[False] * (CARDS - 1)]
    assert set(shown) <= set(cards.shown)


def test_photos_are_kept_and_what_is_none_is_named(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "cats")
    text = tmp_path / f"{MARKUP[:9]}.jpg"
    text.write_text("no picture")
    said = said_by(cards, take(cards, choice, "cats", photo(tmp_path / "a.png"), str(text), photo(tmp_path / "b.png")))
    assert "2 photos added" in said
    assert "1 file left out" in said
    assert "not a picture" in said
    assert MARKUP[:9] not in said
    assert own.counts() == {"cats": 2}


def test_every_frame_of_two_bursts_at_once_is_on_disk_and_in_the_count(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "left", "right")
    frame = photo(tmp_path / "frame.jpg")
    acknowledged: list[str] = []

    def burst(name: str) -> None:
        for _ in range(50):
            acknowledged.append(str(cards.camera.take_frame(choice, OWNER, name, "", frame)[cards.said]))

    threads = [threading.Thread(target=burst, args=[name]) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own.counts() == {"left": 50, "right": 50}
    assert len(list(own.folder.glob("*/*.jpg"))) == len(acknowledged) == 100
    assert {"50 photos in left.", "50 photos in right."} <= {re.sub("<.*?>", "", said) for said in acknowledged}


def film(cards: Cards, choice: str, name: str, since: str, frame: str) -> str:
    """Send a frame; when its burst began, as the page learns it."""
    return str(cards.camera.take_frame(choice, OWNER, name, since, frame).get(cards.camera.since, ""))


def test_photos_that_knew_of_no_burst_yet_are_undone_with_it(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "cats")
    frame = photo(tmp_path / "frame.jpg")
    began = {film(cards, choice, "cats", "", frame) for _ in range(3)}  # sent before the first answer came
    assert len(began) == 1
    state = cards.undo.after_adding("cats", int(began.pop()), 3)[cards.undo.state]
    cards.undo_last(choice, OWNER, state, 1)
    assert own.counts() == {"cats": 0}


def test_what_arrives_of_a_burst_after_it_was_undone_is_not_kept(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "cats", "dogs")
    frame = photo(tmp_path / "frame.jpg")
    other = film(cards, choice, "dogs", "", frame)
    since = film(cards, choice, "cats", "", frame)
    cards.undo_last(choice, OWNER, cards.undo.after_adding("cats", int(since), 1)[cards.undo.state], 1)
    film(cards, choice, "cats", since, frame)
    assert own.counts() == {"cats": 0, "dogs": 1}
    assert film(cards, choice, "dogs", other, frame) == other  # another burst goes on
    film(cards, choice, "cats", "", frame)  # and so does the camera, if it still runs
    assert own.counts() == {"cats": 1, "dogs": 2}


def test_a_photo_that_was_being_read_while_its_burst_was_undone_goes(
    cards: Cards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice, own = own_data(cards.settings, "cats")
    frame = photo(tmp_path / "frame.jpg")
    since = film(cards, choice, "cats", "", frame)
    add = Collection.add

    def undone_meanwhile(self: Collection, *given: Any, **named: Any) -> Path:
        cards.undo_last(choice, OWNER, cards.undo.after_adding("cats", int(since), 1)[cards.undo.state], 1)
        return add(self, *given, **named)

    monkeypatch.setattr(Collection, "add", undone_meanwhile)
    film(cards, choice, "cats", since, frame)
    assert own.counts() == {"cats": 0}


@pytest.mark.parametrize("workspace", [OTHER, "", "../x", f"{OTHER}/../{OWNER}", None])
def test_nobody_else_opens_a_collection(workspace: Any, cards: Cards, keep: KeepView, tmp_path: Path) -> None:
    choice, _ = own_data(cards.settings, "cats")
    before, first = sorted(cards.settings.uploads.rglob("*")), cards.cards[0]
    frame = photo(tmp_path / "a.png")
    for press in (
        lambda: take(cards, choice, "cats", frame, workspace=workspace),
        lambda: cards.add_class(choice, workspace, *[""] * CARDS),
        lambda: cards.delete_class(first, choice, workspace, "cats", "cats"),
        lambda: cards.rename_class(first, choice, workspace, "cats", "dogs"),
        lambda: cards.undo_last(choice, workspace, '{"did": "removed"}', 1),
        lambda: keep.pack_zip(choice, workspace),
        lambda: keep.delete_collection(choice, workspace),
        lambda: keep.rename_collection(choice, workspace, "Mine"),
    ):
        with pytest.raises(EngineError):
            press()
    assert 'role="alert"' in cards.camera.take_frame(choice, workspace, "cats", "", frame)[cards.said]
    assert sorted(cards.settings.uploads.rglob("*")) == before


def test_a_photo_of_another_class_or_folder_cannot_be_named_for_removal(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "cats", "dogs")
    for name in ("cats", "dogs"):
        take(cards, choice, name, photo(tmp_path / "a.png"))
    dog, cat = own.photos("dogs")[0].name, own.photos("cats")[0].name
    marked = f'["../dogs/{dog}", "../../../x", "{cat}"]'
    cards.drop_marked(cards.cards[0], choice, OWNER, "cats", "cats", marked)
    assert own.counts() == {"cats": 0, "dogs": 1}


def test_what_was_removed_last_comes_back_and_what_was_before_does_not(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "cats", "dogs")
    take(cards, choice, "cats", *(photo(tmp_path / f"{n}.png") for n in range(3)))
    files = [path.name for path in own.photos("cats")]
    for file in files[:2]:
        shown = cards.drop_marked(cards.cards[0], choice, OWNER, "cats", "cats", f'["{file}"]')
    assert own.counts()["cats"] == 1
    assert len(own.removed()) == 1  # the one before it is gone
    cards.undo_last(choice, OWNER, shown[cards.undo.state], 1)
    assert {path.name for path in own.photos("cats")} == {files[1], files[2]}
    with pytest.raises(EngineError):
        cards.undo_last(choice, OWNER, shown[cards.undo.state], 1)


def test_a_deleted_class_comes_back_with_its_photos(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "ants", "bees")
    take(cards, choice, "ants", photo(tmp_path / "a.png"), photo(tmp_path / "b.png"))
    shown = cards.delete_class(cards.cards[0], choice, OWNER, "ants", "ants")
    assert own.counts() == {"bees": 0}
    assert not shown[cards.camera.panel].visible  # a burst must not flow into another class
    assert "no class" in str(cards.camera.take_frame(choice, OWNER, "ants", "", photo(tmp_path / "c.png"))[cards.said])
    cards.undo_last(choice, OWNER, shown[cards.undo.state], 1)
    assert own.counts() == {"ants": 2, "bees": 0}


def test_an_upload_is_undone_and_what_was_there_before_stays(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "cats")
    take(cards, choice, "cats", photo(tmp_path / "a.png"))
    (before,) = own.photos("cats")
    shown = take(cards, choice, "cats", photo(tmp_path / "b.png", "blue"), photo(tmp_path / "c.png", "green"))
    cards.undo_last(choice, OWNER, shown[cards.undo.state], 1)
    assert own.photos("cats") == [before]


@pytest.mark.parametrize(
    "state", ["", "x", "{}", "[]", "7", '{"did": "all"}', '{"did": "added", "class": 7, "since": 0}',
              '{"did": "added", "class": "cats", "since": "x"}', '{"did": "added", "class": "../cats", "since": 0}',
              "[" * 100_000]
)  # fmt: skip
def test_whatever_else_a_browser_wants_undone_is_refused(state: str, cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "cats")
    take(cards, choice, "cats", photo(tmp_path / "a.png"))
    with pytest.raises(EngineError):
        cards.undo_last(choice, OWNER, state, 1)
    assert own.counts() == {"cats": 1}


def test_a_name_typed_while_photos_are_chosen_is_the_class_they_go_to(cards: Cards, tmp_path: Path) -> None:
    choice, own = own_data(cards.settings, "Class 1", "Class 2")
    first = cards.cards[0]
    shown = cards.rename_class(first, choice, OWNER, "Class 1", "cats")
    assert shown[first.name] == "cats"
    cards.take_photos(first, choice, OWNER, "Class 1", "cats", [photo(tmp_path / "a.png")])  # sent before that answer
    assert own.counts() == {"Class 2": 0, "cats": 1}
    assert cards.rename_class(first, choice, OWNER, "Class 1", "cats") == {}  # the same press, twice
    with pytest.raises(EngineError):
        cards.rename_class(first, choice, OWNER, "cats", "class 2")
    assert cards.rename_class(first, choice, OWNER, "cats", "  ")[first.title] == "cats"


def test_a_new_class_takes_the_first_free_card(cards: Cards) -> None:
    choice, own = own_data(cards.settings, "Class 1", "cats")
    shown = cards.add_class(choice, OWNER, "Class 1", "cats", *[""] * (CARDS - 2))
    assert shown[cards.cards[2].name] == "Class 2"
    assert cards.cards[0].name not in shown  # nothing that is there moves
    assert own.classes() == ["Class 1", "Class 2", "cats"]


def test_a_refusal_stands_beside_the_button_and_changes_nothing_else(cards: Cards, caplog: Any) -> None:
    choice, _ = own_data(cards.settings, "cats")
    caplog.set_level("INFO", "tl_engine")
    press = answering(lambda: cards.drop_marked(cards.cards[0], choice, OWNER, "cats", "cats", "[]"), cards.said)
    first, second = press(), press()
    assert set(first) == {cards.said}
    assert 'role="alert"' in first[cards.said]
    assert first != second  # seen and read again
    assert "refused" in caplog.text
    assert "cats" not in caplog.text


def test_a_packed_collection_comes_back_as_an_upload(cards: Cards, keep: KeepView, tmp_path: Path) -> None:
    choice, _ = own_data(cards.settings, "red", "blue")
    for name in ("red", "blue"):
        take(cards, choice, name, *(photo(tmp_path / f"{name}{n}.png", name) for n in range(3)))
    archive = keep.pack_zip(choice, OWNER)[keep.download].value["path"]
    told: list[Progress] = []
    taken = run_command("take", [archive, "--into", str(cards.settings.uploads / OTHER)], cards.settings, told.append)
    data = Workspace(cards.settings, OTHER).data(UPLOAD + taken["folder"]).described()
    assert data is not None
    assert data.counts() == {"blue": {"train": 3}, "red": {"train": 3}}
    assert told
    assert told[-1].stage == "unpacking"


def test_a_data_set_is_deleted_after_a_question_and_gives_way_to_another(keep: KeepView) -> None:
    choice, own = own_data(keep.settings, "cats")
    assert "My photos" in keep.about_to_delete(choice, OWNER)
    assert own.folder.is_dir()
    shown = keep.delete_collection(choice, OWNER)
    assert not own.folder.exists()
    assert shown[keep.choice].value != choice
    assert not shown[keep.delete.box].visible


@pytest.mark.slow
def test_a_visitor_who_has_brought_the_most_kept_for_one_person_is_told(
    cards: Cards, make_images: MakeImages, tmp_path: Path
) -> None:
    choice, _ = own_data(cards.settings, "cats")
    settings = cards.settings
    tight = dataclasses.replace(settings, limits=dataclasses.replace(settings.limits, person_bytes=500))
    cards.settings = tight
    said = said_by(cards, take(cards, choice, "cats", *[photo(tmp_path / "a.png")] * 9))
    assert "9 photos added" in said
    room.used_bytes.cache_clear()  # as two seconds later
    said = said_by(cards, take(cards, choice, "cats", *[photo(tmp_path / "a.png")] * 9))
    assert "0 photos added" in said
    assert "the most kept for one person" in said
    archive = shutil.make_archive(str(tmp_path / "more"), "zip", make_images("in"))
    with pytest.raises(EngineError, match="the most kept for one person"):
        run_command("take", [archive, "--into", str(tight.uploads / OWNER)], tight, print)
    taken = run_command("take", [archive, "--into", str(tight.uploads / OTHER)], settings, print)
    assert (tight.uploads / OTHER / taken["folder"]).is_dir()

"""Data sets put together photo by photo: hostile names, two tabs at once, limits, nothing left behind."""

import os
import shutil
import stat
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.inspection.test_remedies import contents
from tl_engine.base.errors import DataError, EngineError, ImageError
from tl_engine.base.names import TITLE_LENGTH
from tl_engine.base.settings import Limits, Settings
from tl_engine.sources.collection import CLASS_LENGTH, NOT_IN_NAMES, Collection, create
from tl_engine.sources.intake import load_data
from tl_engine.sources.room import room_left, used_bytes

LIMITS = Limits(free_bytes=0)
Take = Callable[..., Path]


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A visitor's folder."""
    return tmp_path / "uploads" / "visitor"


@pytest.fixture
def own(parent: Path) -> Collection:
    """A data set with the empty classes cats and dogs."""
    collection = create(parent, "My pets")
    for name in ("cats", "dogs"):
        collection.add_class(name, LIMITS)
    return collection


@pytest.fixture
def photo(tmp_path: Path) -> Take:
    """A function that makes a photo somewhere else, each one different."""
    drawn = iter(range(10_000))

    def make(name: str = "photo.jpg", side: int = 16, kind: str | None = None) -> Path:
        path = tmp_path / "camera" / f"{next(drawn):04d}" / name
        path.parent.mkdir(parents=True)
        pixels = np.random.default_rng(next(drawn)).integers(0, 255, (side, side, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path, kind)
        return path

    return make


def refusal(call: Callable[[], object], kind: type[EngineError] = DataError) -> str:
    """What is said: one sentence without a path of this machine."""
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert "/tmp/" not in text
    return text


# --- data sets -------------------------------------------------------------------------------------------------------


def test_a_new_data_set_is_an_empty_folder_with_a_title(parent: Path) -> None:
    one, other = create(parent, " My  pets\u202e "), create(parent, "My pets")
    assert (one.title, other.title) == ("My pets", "My pets")
    assert one.folder != other.folder
    assert one.folder.parent == parent
    assert one.classes() == []
    assert one.counts() == {}
    assert Collection(one.folder).title == "My pets"  # the folder is the truth


@pytest.mark.parametrize("title", ["", "   ", "\u200b", "\n", "x" * (TITLE_LENGTH + 1)])
def test_a_title_nobody_can_see_or_read_is_refused_and_leaves_no_folder(title: str, parent: Path) -> None:
    assert "visible characters" in refusal(lambda: create(parent, title))
    assert not parent.exists() or not list(parent.iterdir())


@pytest.mark.parametrize("title", ["../../etc", "<img src=x onerror=alert(1)>", "日本の犬", "a/b", ".hidden", "x" * 60])
def test_a_title_is_only_shown_and_never_a_path(title: str, own: Collection, parent: Path) -> None:
    own.rename(title)
    assert own.title == title
    assert list(parent.iterdir()) == [own.folder]
    with pytest.raises(DataError):
        own.rename("")
    assert own.title == title


def test_a_data_set_without_a_title_is_called_by_its_folder(own: Collection) -> None:
    assert own.titled
    (own.folder / ".title").unlink()
    assert own.title == own.folder.name
    assert not own.titled


def test_a_deleted_data_set_is_gone_from_the_disk_and_others_stay(own: Collection, photo: Take, parent: Path) -> None:
    other = create(parent, "Another")
    own.add("cats", photo(), LIMITS)
    own.delete()
    assert list(parent.iterdir()) == [other.folder]
    own.delete()  # again, from another tab
    assert (own.classes(), own.counts(), own.title) == ([], {}, own.folder.name)


def test_whoever_still_adds_to_a_deleted_data_set_reads_a_sentence(own: Collection, photo: Take) -> None:
    source = photo()
    own.delete()
    assert "no class 'cats' here any more" in refusal(lambda: own.add("cats", source, LIMITS))
    assert "no class 'cats' here any more" in refusal(lambda: own.photos("cats"))
    assert "deleted in the meantime" in refusal(lambda: own.add_class("birds", LIMITS))
    assert "deleted in the meantime" in refusal(lambda: own.rename("Birds"))
    assert not own.folder.exists()


# --- classes ---------------------------------------------------------------------------------------------------------

HOSTILE = [
    "",
    " ",
    "\u200b\u202e",
    "..",
    "../x",
    "../../etc/passwd",
    "a/b",
    "/etc",
    "a\\b",
    "C:\\x",
    ".hidden",
    "\u200d..",  # a dot that an invisible letter hides
    "\u202e.hidden",
    "<img src=x onerror=alert(1)>",
    "<b>bold</b>",
    'quo"ted',
    "what?",
    "all*",
    "a|b",
    "x" * (CLASS_LENGTH + 1),
    "train",
    "Train",
    "VAL",
    "validation",
    "test",
    "__MACOSX",
    "Thumbs.db",
    "._cats",
]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_hostile_class_name_is_refused_and_makes_nothing(name: str, own: Collection, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    refusal(lambda: own.add_class(name, LIMITS))
    refusal(lambda: own.rename_class("cats", name))
    assert sorted(tmp_path.rglob("*")) == before
    assert own.classes() == ["cats", "dogs"]


@pytest.mark.parametrize("name", [*HOSTILE, "cats/../dogs", ".title", "../visitor"], ids=repr)
def test_a_class_that_is_not_there_leads_nowhere(name: str, own: Collection, photo: Take, tmp_path: Path) -> None:
    source = photo()
    before = contents(tmp_path)
    for call in (
        lambda: own.add(name, source, LIMITS),
        lambda: own.photos(name),
        lambda: own.remove(name, ["x"]),
        lambda: own.delete_class(name),
        lambda: own.rename_class(name, "birds"),
    ):
        assert "There is no class" in refusal(call)
    assert contents(tmp_path) == before


def test_a_class_name_is_made_plain(own: Collection) -> None:
    assert own.add_class("  big\tbirds\u202e ", LIMITS) == "big birds"
    assert own.add_class("cafe\u0301", LIMITS) == "café"
    assert own.add_class("日本の犬", LIMITS) == "日本の犬"
    assert own.add_class("R&D = 100% (new); --help", LIMITS) == "R&D = 100% (new); --help"
    assert own.add_class("x" * CLASS_LENGTH, LIMITS) == "x" * CLASS_LENGTH
    assert len(own.classes()) == 7
    assert not set("".join(own.classes())) & set(NOT_IN_NAMES)


@pytest.mark.parametrize("name", ["cats", "CATS", " cats\u200b"])
def test_a_class_that_is_there_already_is_refused(name: str, own: Collection) -> None:
    assert "already" in refusal(lambda: own.add_class(name, LIMITS))
    assert "already" in refusal(lambda: own.rename_class("dogs", name))
    assert own.classes() == ["cats", "dogs"]


def test_a_class_keeps_its_photos_under_a_new_name(own: Collection, photo: Take) -> None:
    added = own.add("cats", photo(), LIMITS)
    assert own.rename_class("cats", "Cats") == "Cats"  # its own name in capitals is free
    assert own.rename_class("Cats", "big cats") == "big cats"
    assert own.rename_class("big cats", "big cats") == "big cats"
    assert own.counts() == {"big cats": 1, "dogs": 0}
    assert [path.name for path in own.photos("big cats")] == [added.name]


def test_a_deleted_class_takes_its_photos_along_and_no_others(own: Collection, photo: Take) -> None:
    for name in ("cats", "dogs"):
        own.add(name, photo(), LIMITS)
    own.delete_class("cats")
    assert own.counts() == {"dogs": 1}
    assert "no class 'cats'" in refusal(lambda: own.delete_class("cats"))


def test_there_are_no_more_classes_than_the_limit(own: Collection) -> None:
    few = replace(LIMITS, classes=3)
    own.add_class("birds", few)
    assert "There are 3 classes already" in refusal(lambda: own.add_class("fish", few))
    assert own.classes() == ["birds", "cats", "dogs"]


# --- photos ----------------------------------------------------------------------------------------------------------


def test_a_photo_keeps_its_bytes_under_a_name_nobody_else_uses(own: Collection, photo: Take) -> None:
    source = photo("IMG <1>.JPEG")
    one, other = (own.add("cats", source, LIMITS) for _ in range(2))
    assert one != other
    assert one.read_bytes() == other.read_bytes() == source.read_bytes()
    assert one.parent == own.folder / "cats"
    assert len(one.stem) >= 16
    assert own.counts() == {"cats": 2, "dogs": 0}
    assert source.is_file()


@pytest.mark.parametrize(
    ("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("GIF", ".gif"), ("AVIF", ".avif")]
)
def test_a_photo_is_named_after_what_it_is_and_not_after_what_it_was_called(
    kind: str, suffix: str, own: Collection, photo: Take
) -> None:
    assert own.add("cats", photo("program.exe", kind=kind), LIMITS).suffix == suffix


def test_photos_are_listed_newest_first(own: Collection, photo: Take) -> None:
    added = [own.add("cats", photo(), LIMITS) for _ in range(4)]
    for age, path in enumerate(added):
        os.utime(path, (1000 - age, 1000 - age))
    assert own.photos("cats") == added


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"<html><script>alert(1)</script>", "is not a picture"),
        (b"\xff\xd8\xff" + b"0" * 500, "is damaged"),
        (b"PK\x03\x04" + b"0" * 500, "is not a picture"),
    ],
    ids=["empty", "html", "damaged", "zip"],
)
def test_what_is_no_photo_is_refused_by_its_name_and_leaves_nothing(
    content: bytes, why: str, own: Collection, tmp_path: Path
) -> None:
    source = tmp_path / "gradio-0123.jpg"
    source.write_bytes(content)
    before = contents(own.folder)
    text = refusal(lambda: own.add("cats", source, LIMITS, shown="holiday.jpg"), ImageError)
    assert why in text
    assert "holiday.jpg" in text
    assert "gradio-0123" not in text
    assert contents(own.folder) == before
    assert os.listdir(own.folder / "cats") == []  # noqa: PTH208


def test_a_photo_cut_short_is_refused_even_if_its_beginning_is_whole(own: Collection, photo: Take) -> None:
    source = photo(side=64)
    source.write_bytes(source.read_bytes()[:-400])
    assert "cut short" in refusal(lambda: own.add("cats", source, LIMITS), ImageError)
    assert os.listdir(own.folder / "cats") == []  # noqa: PTH208


def test_a_photo_above_the_limits_is_refused_and_one_below_is_taken(own: Collection, photo: Take) -> None:
    source = photo(side=64)
    size = source.stat().st_size
    assert "is larger than" in refusal(
        lambda: own.add("cats", source, replace(LIMITS, image_bytes=size - 1)), ImageError
    )
    own.add("cats", source, replace(LIMITS, image_bytes=size))
    assert "is 7 x 7 pixels" in refusal(lambda: own.add("cats", photo(side=7), LIMITS), ImageError)
    assert own.counts() == {"cats": 1, "dogs": 0}


def test_a_data_set_takes_no_more_photos_than_the_limit_in_all_classes_together(own: Collection, photo: Take) -> None:
    few = replace(LIMITS, images=3)
    for name in ("cats", "dogs", "cats"):
        own.add(name, photo(), few)
    assert "has 3 photos, the most taken" in refusal(lambda: own.add("dogs", photo(), few))
    own.remove("cats", [own.photos("cats")[0].name])
    own.add("dogs", photo(), few)
    assert own.counts() == {"cats": 1, "dogs": 2}


def test_what_one_visitor_keeps_in_all_data_sets_together_is_bounded(
    own: Collection, photo: Take, parent: Path
) -> None:
    own.add("cats", photo(), replace(LIMITS, person_bytes=10**18))  # so much that nobody counts
    other = create(parent, "Another")
    other.add_class("birds", LIMITS)
    used = sum(path.stat().st_size for path in parent.rglob("*") if path.is_file())
    assert "delete a data set first" in refusal(lambda: other.add("birds", photo(), replace(LIMITS, person_bytes=used)))
    other.add("birds", photo(), replace(LIMITS, person_bytes=used + 1))
    assert other.counts() == {"birds": 1}


def test_what_is_kept_can_be_counted_while_others_add_and_remove(own: Collection, photo: Take, parent: Path) -> None:
    stop, source = threading.Event(), photo()

    def churn() -> None:
        while not stop.is_set():
            own.add_class("birds", LIMITS)
            for _ in range(5):
                own.add("birds", source, replace(LIMITS, person_bytes=10**18))
            own.delete_class("birds")

    tab = threading.Thread(target=churn)
    tab.start()
    try:
        for _ in range(300):
            used_bytes.cache_clear()
            assert room_left(parent, replace(LIMITS, person_bytes=10**7)) > 10**6
    finally:
        stop.set()
        tab.join()


def test_a_disk_that_is_nearly_full_takes_no_photo(own: Collection, photo: Take) -> None:
    full = replace(LIMITS, free_bytes=shutil.disk_usage(own.folder).total)
    assert "make room first" in refusal(lambda: own.add("cats", photo(), full))
    assert own.counts() == {"cats": 0, "dogs": 0}


def test_two_tabs_adding_at_once_lose_nothing(own: Collection, photo: Take) -> None:
    sources = [[photo() for _ in range(50)] for _ in range(2)]
    errors: list[BaseException] = []

    def add(batch: list[Path]) -> None:
        try:
            for source in batch:
                own.add("cats", source, LIMITS)
        except BaseException as error:
            errors.append(error)

    tabs = [threading.Thread(target=add, args=(batch,)) for batch in sources]
    for tab in tabs:
        tab.start()
    while any(tab.is_alive() for tab in tabs):  # a third tab looks on: it sees whole photos only
        for path in own.photos("cats"):
            assert path.stat().st_size > 0
        time.sleep(0.005)
    assert errors == []
    kept = sorted(path.read_bytes() for path in own.photos("cats"))
    assert kept == sorted(source.read_bytes() for batch in sources for source in batch)
    assert len(set(kept)) == 100
    assert not [name for name in os.listdir(own.folder / "cats") if name.startswith(".")]  # noqa: PTH208


def test_a_class_deleted_while_photos_arrive_is_a_sentence_and_the_rest_goes_on(own: Collection, photo: Take) -> None:
    source, end = photo(), time.monotonic() + 10
    refusals: list[str] = []

    def add() -> None:
        while len(refusals) < 5 and time.monotonic() < end:
            try:
                own.add("cats", source, LIMITS)
            except DataError as error:
                refusals.append(str(error))

    many = 1_000
    for number in range(many):  # deleting these takes a while, in which others arrive
        (own.folder / "cats" / f"{number}.jpg").write_bytes(b"")
    tab = threading.Thread(target=add)
    tab.start()
    while own.counts()["cats"] == many:
        time.sleep(0.001)
    own.delete_class("cats")
    tab.join()
    own.add("dogs", photo(), LIMITS)
    assert own.counts() == {"dogs": 1}
    assert len(refusals) == 5
    assert all("any more" in text or "in the meantime" in text for text in refusals)


# --- removing --------------------------------------------------------------------------------------------------------


def test_marked_photos_are_removed_and_no_others(own: Collection, photo: Take) -> None:
    added = [own.add("cats", photo(), LIMITS) for _ in range(3)]
    own.remove("cats", [added[0].name, added[2].name, added[0].name, "gone-already.jpg"])
    assert own.photos("cats") == [added[1]]


def test_nobody_reaches_another_folder_by_a_photos_name(own: Collection, photo: Take, tmp_path: Path) -> None:
    mine, dog = own.add("cats", photo(), LIMITS), own.add("dogs", photo(), LIMITS)
    outside = tmp_path / "outside.jpg"
    shutil.copyfile(mine, outside)
    (own.folder / "cats" / ".part").write_bytes(b"another tab is writing this")
    before = contents(tmp_path)
    names = [
        f"../dogs/{dog.name}",
        f"../cats/{mine.name}",
        f"./{mine.name}",
        str(dog),
        str(outside),
        "../.title",
        "../../../../outside.jpg",
        "..",
        ".",
        "",
        "*",
        ".part",
        f"{mine.name}\0",
    ]
    own.remove("cats", names)
    assert contents(tmp_path) == before


# --- packing ---------------------------------------------------------------------------------------------------------


def test_a_packed_data_set_is_a_zip_that_the_engine_reads(
    own: Collection, photo: Take, settings: Settings, tmp_path: Path
) -> None:
    own.add_class("日本の犬", LIMITS)
    for name in ("cats", "dogs", "日本の犬"):
        for _ in range(3):
            own.add(name, photo(), LIMITS)
    own.add_class("empty", LIMITS)
    archive = tmp_path / "pets.zip"
    own.pack(archive)
    with zipfile.ZipFile(archive) as packed:
        assert len(packed.namelist()) == 9
        assert packed.testzip() is None
    data = load_data(str(archive), replace(settings, limits=LIMITS))
    assert data.counts() == {name: {"train": 3} for name in ("cats", "dogs", "日本の犬")}
    assert sorted(contents(data.root).values()) == sorted(
        content for file, content in contents(own.folder).items() if "/" in file
    )


def test_a_data_set_is_trained_on_as_it_lies_there(own: Collection, photo: Take, settings: Settings) -> None:
    for name in ("cats", "dogs"):
        for _ in range(2):
            own.add(name, photo(), LIMITS)
    (own.folder / "cats" / ".half.part").write_bytes(photo().read_bytes()[:100])
    data = load_data(str(own.folder), settings)
    assert data.counts() == {"cats": {"train": 2}, "dogs": {"train": 2}}


def test_photos_dated_before_zips_were_invented_are_packed_too(own: Collection, photo: Take, tmp_path: Path) -> None:
    added = own.add("cats", photo(), LIMITS)  # by a computer whose clock was never set
    os.utime(added, (0, 0))
    own.pack(tmp_path / "pets.zip")
    with zipfile.ZipFile(tmp_path / "pets.zip") as packed:
        assert packed.namelist() == [f"cats/{added.name}"]


def test_a_zip_that_cannot_be_written_leaves_nothing(own: Collection, photo: Take, tmp_path: Path) -> None:
    own.add("cats", photo(), LIMITS)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pets.zip").mkdir()
    (tmp_path / "out" / "pets.zip" / "file").write_text("in the way")
    refusal(lambda: own.pack(tmp_path / "out" / "pets.zip"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pets.zip"]
    refusal(lambda: own.pack(tmp_path / "out" / "nowhere" / "pets.zip"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pets.zip"]


def test_a_kept_photo_can_be_read_by_whom_the_server_lets(own: Collection, photo: Take) -> None:
    source = photo()
    source.chmod(0o600)  # as upload folders have them
    own.add("cats", source, LIMITS)
    assert stat.S_IMODE(own.photos("cats")[0].stat().st_mode) & 0o444


def test_a_new_data_set_begins_with_the_classes_it_is_given_and_names_the_next(tmp_path: Path) -> None:
    own = create(tmp_path, "Mine", ("Class 1", "class 2"))
    assert own.counts() == {"Class 1": 0, "class 2": 0}
    assert own.next_class_name() == "Class 3"


def test_what_is_set_aside_is_nowhere_until_it_is_put_back(tmp_path: Path) -> None:
    own = create(tmp_path, "Mine", ("cats", "dogs"))
    for name in ("a.png", "b.png"):
        (own.folder / "cats" / name).write_bytes(b"x")
    assert own.set_aside("cats", ["a.png", "../dogs/x", "gone.png"]) == 1
    assert own.counts() == {"cats": 1, "dogs": 0}
    assert [path.name for path in own.removed()] == ["a.png"]
    own.pack(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as packed:
        assert packed.namelist() == ["cats/b.png"]
    own.delete_class("cats")
    assert own.put_back() == 1
    assert own.counts() == {"cats": 1, "dogs": 0}
    assert own.put_back() == 0


def test_what_came_since_a_moment_is_known(tmp_path: Path) -> None:
    own = create(tmp_path, "Mine", ("cats",))
    for name, seconds in (("old.png", 100), ("new.png", 200)):
        (own.folder / "cats" / name).write_bytes(b"x")
        os.utime(own.folder / "cats" / name, (seconds, seconds))
    assert [path.name for path in own.added_since("cats", 150 * 10**9)] == ["new.png"]

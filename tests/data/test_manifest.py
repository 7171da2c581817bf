"""The manifest of a data set and its cache, and the mends beside it: what a person corrected, no photo touched."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import MakeImages
from tl_engine.base.errors import DataError
from tl_engine.base.events import Event, Progress
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import LeftOut
from tl_engine.data.manifest import Entry, Manifest, read_manifest
from tl_engine.data.mends import DROP, KEEP, RELABEL, Located, Mend
from tl_engine.data.scan import scan


def read(folder: Path, settings: Settings) -> Manifest:
    return watched(read_manifest(folder, settings), lambda _event: None)


def by_file(manifest: Manifest) -> dict[str, Entry]:
    return {entry.file: entry for entry in manifest.entries}


def kept(settings: Settings) -> Path:
    """The one manifest in the cache."""
    (path,) = (settings.cache / "manifests").iterdir()
    return path


def tampered(settings: Settings, width: int = 999) -> None:
    """Give every photo in the cache a width it does not have, to tell what was looked at from what was remembered."""
    values = json.loads(kept(settings).read_text())
    for entry in values["entries"]:
        entry["look"]["width"] = width
    kept(settings).write_text(json.dumps(values))


def changed(path: Path) -> None:
    """Another picture in the place of this one."""
    Image.new("RGB", (40, 30), "orange").save(path)


# --- the manifest ----------------------------------------------------------------------------------------------------


def test_every_photo_is_there_with_class_split_size_and_hash(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images(each=3)
    manifest = read(folder, settings)
    assert [entry.file for entry in manifest.entries] == [f"{c}/{i}.png" for c in ("blue", "red") for i in range(3)]
    assert {entry.name for entry in manifest.entries if entry.file.startswith("red/")} == {"red"}
    assert {entry.split for entry in manifest.entries} == {"train"}
    first = manifest.entries[0]
    assert first.size == (folder / first.file).stat().st_size
    assert (first.look.width, first.look.format) == (16, "PNG")
    assert len({entry.sha256 for entry in manifest.entries}) == 6
    assert manifest.data == scan(folder, settings.limits)


def test_split_folders_are_in_it(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images("photos/train").parent
    shutil.copytree(folder / "train", folder / "valid")
    splits = {entry.file.split("/")[0]: entry.split for entry in read(folder, settings).entries}
    assert splits == {"train": "train", "valid": "val"}


def test_what_cannot_be_decoded_is_named_and_takes_no_part(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    cut = folder / "red" / "3.png"
    cut.write_bytes(cut.read_bytes()[:-300])  # the header is whole: only decoding shows it
    (folder / "red" / "notes.txt").write_text("no picture")
    assert len(scan(folder, settings.limits).records) == 12
    manifest = read(folder, settings)
    assert [entry.file for entry in manifest.data.left_out] == ["red/notes.txt", "red/3.png"]
    assert "3.png is cut short" in manifest.data.left_out[1].reason
    assert [folder / entry.file for entry in manifest.entries] == [r.path for r in manifest.data.records]
    assert len(manifest.entries) == 11
    assert read(folder, settings) == manifest  # remembered, and still named


def test_progress_is_told_up_to_the_last_photo(make_images: MakeImages, settings: Settings) -> None:
    told: list[Event] = []
    watched(read_manifest(make_images(), settings), told.append)
    last = told[-1]
    assert isinstance(last, Progress)
    assert (last.stage, last.done, last.total) == ("looking at photos", 12, 12)


# --- its cache -------------------------------------------------------------------------------------------------------


def test_what_did_not_change_is_not_looked_at_again(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    read(folder, settings)
    tampered(settings)
    assert {entry.look.width for entry in read(folder, settings).entries} == {999}


def test_only_what_is_new_or_changed_is_looked_at_again(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    before = by_file(read(folder, settings))
    tampered(settings)
    changed(folder / "red" / "2.png")
    changed(folder / "blue" / "new.png")
    (folder / "red" / "5.png").unlink()
    after = by_file(read(folder, settings))
    looked_at = {file for file, entry in after.items() if entry.look.width != 999}
    assert looked_at == {"red/2.png", "blue/new.png"}
    assert after["red/2.png"].look.width == 40
    assert after["red/2.png"].sha256 != before["red/2.png"].sha256
    assert set(after) == {*before, "blue/new.png"} - {"red/5.png"}
    # The cache holds what is there now, not what was.
    assert {entry["file"] for entry in json.loads(kept(settings).read_text())["entries"]} == set(after)


def test_a_photo_changed_without_changing_its_size_is_noticed(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    before = by_file(read(folder, settings))["red/1.png"]
    path = folder / "red" / "1.png"
    content = bytearray(path.read_bytes())
    content[-14] ^= 0x55
    path.write_bytes(content)
    os.utime(path, ns=(before.changed, before.changed + 1))
    assert path.stat().st_size == before.size
    assert by_file(read(folder, settings))["red/1.png"].sha256 != before.sha256


def test_a_photo_in_another_class_is_in_that_class(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    read(folder, settings)
    (folder / "red" / "1.png").rename(folder / "blue" / "was red.png")
    after = by_file(read(folder, settings))
    assert after["blue/was red.png"].name == "blue"
    assert "red/1.png" not in after


def test_two_data_sets_do_not_share_a_cache(make_images: MakeImages, settings: Settings) -> None:
    one, other = make_images("one"), make_images("other", each=3)
    read(one, settings)
    tampered(settings)
    assert {entry.look.width for entry in read(other, settings).entries} == {16}
    assert {entry.look.width for entry in read(one, settings).entries} == {999}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"format": 0, "entries": []}',
        b'{"format": 1}',
        b'{"format": 1, "entries": null}',
        b'{"format": 1, "entries": [{}]}',
        b'{"format": 1, "entries": [{"file": "red/1.png", "look": {}}]}',
        b'{"format": 1, "entries": ["red/1.png"]}',
    ],
    ids=lambda damage: repr(damage)[:40],
)
def test_a_damaged_cache_is_ignored_and_written_anew(
    damage: bytes, make_images: MakeImages, settings: Settings
) -> None:
    folder = make_images(each=2)
    manifest = read(folder, settings)
    whole = kept(settings).read_bytes()
    kept(settings).write_bytes(damage)
    assert read(folder, settings) == manifest
    assert kept(settings).read_bytes() == whole


def test_another_format_of_the_cache_is_not_believed(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images(each=2)
    read(folder, settings)
    tampered(settings)
    kept(settings).write_text(kept(settings).read_text().replace('"format": 1', '"format": 2'))
    assert {entry.look.width for entry in read(folder, settings).entries} == {16}


def test_a_cache_that_cannot_be_written_costs_only_time(make_images: MakeImages, settings: Settings) -> None:
    settings.cache.write_text("a file where the folder should be")
    folder = make_images(each=2)
    assert read(folder, settings) == read(folder, settings)


def test_reading_leaves_the_data_set_as_it_is(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    read(folder, settings)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_name_that_is_no_utf8_is_remembered(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images(each=2)
    os.rename(folder / "red" / "0.png", os.fsencode(folder / "red") + b"/\xe9t\xe9.png")
    manifest = read(folder, settings)
    assert "red/\udce9t\udce9.png" in by_file(manifest)
    tampered(settings)
    assert {entry.look.width for entry in read(folder, settings).entries} == {999}
    assert len(manifest.fingerprint) == 64


# --- the fingerprint -------------------------------------------------------------------------------------------------


def test_a_fingerprint_follows_content_class_split_and_name_and_nothing_else(
    make_images: MakeImages, settings: Settings
) -> None:
    folder = make_images()
    manifest = read(folder, settings)
    prints = [manifest.fingerprint]
    os.utime(folder / "red" / "0.png", (1, 1))
    assert read(folder, settings).fingerprint == prints[0]
    changes: tuple[dict[str, Any], ...] = ({"name": "blue"}, {"split": "val"}, {"file": "red/9.png"}, {"sha256": "0"})
    for change in changes:
        last = dataclasses.replace(manifest.entries[-1], **change)
        prints.append(dataclasses.replace(manifest, entries=(*manifest.entries[:-1], last)).fingerprint)
    changed(folder / "red" / "5.png")
    prints.append(read(folder, settings).fingerprint)
    (folder / "red" / "5.png").unlink()
    prints.append(read(folder, settings).fingerprint)
    assert len(set(prints)) == len(prints) == 7


# --- mends -----------------------------------------------------------------------------------------------------------

ONE = Mend(file="red/1.png", action=DROP, reason="blurred")
TWO = Mend(file="red/2.png", action=RELABEL, name="blue")
THREE = Mend(file="red/3.png", action=KEEP)


def test_mends_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    odd = Mend(file="red/\udce9t\udce9 <b>.png", action=DROP, reason="日本")
    mends = Located(root=tmp_path / "photos", mends=(ONE, TWO, THREE, odd))
    mends.write(tmp_path / "deep" / "er" / "mends.json")
    assert Located.read(tmp_path / "deep" / "er" / "mends.json") == mends
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["mends.json"]


def test_mends_are_replaced_whole_and_not_piled_up(tmp_path: Path) -> None:
    path = tmp_path / "mends.json"
    Located(root=tmp_path, mends=(ONE, TWO, THREE)).write(path)
    Located(root=tmp_path, mends=(TWO,)).write(path)
    assert Located.read(path).mends == (TWO,)


def test_a_newer_mend_of_a_file_takes_the_place_of_the_older(tmp_path: Path) -> None:
    newer = Mend(file=ONE.file, action=KEEP)
    mends = Located(root=tmp_path, mends=(ONE, TWO)).adding([THREE, newer])
    assert set(mends.mends) == {newer, TWO, THREE}
    assert len(mends.mends) == 3
    assert mends.root == tmp_path


WHOLE: dict[str, Any] = {"format": 1, "root": "/photos", "mends": [dataclasses.asdict(ONE)]}


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "null",
        json.dumps(WHOLE | {"format": 2}),
        json.dumps(WHOLE | {"root": 5}),
        json.dumps(WHOLE | {"mends": None}),
        json.dumps(WHOLE | {"mends": [{"file": "x"}]}),
        json.dumps(WHOLE | {"mends": [{"file": "x", "action": "delete"}]}),
        json.dumps(WHOLE | {"mends": [{"file": "x", "action": "drop", "else": 1}]}),
        json.dumps({"format": 1, "mends": []}),
    ],
)
def test_a_damaged_file_of_mends_is_refused_in_a_sentence(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "mends.json"
    path.write_text(json.dumps(WHOLE))
    assert Located.read(path) == Located(root=Path("/photos"), mends=(ONE,))
    path.write_text(damage)
    with pytest.raises(DataError) as caught:
        Located.read(path)
    assert str(caught.value) == "mends.json holds no corrections of a data set that can be read: delete it."


def test_mends_that_cannot_be_read_or_saved_say_so_without_a_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"mends\.json holds no corrections"):
        Located.read(tmp_path / "mends.json")
    with pytest.raises(DataError, match="make room on the disk") as caught:
        Located(root=tmp_path).write(tmp_path / "file" / "mends.json")
    assert str(tmp_path) not in str(caught.value)


def test_applied_mends_drop_relabel_and_keep(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    data = scan(folder, settings.limits)
    corrected = Located(root=folder, mends=(ONE, TWO, THREE)).applied(data)
    assert corrected.counts() == {"blue": {"train": 7}, "red": {"train": 4}}
    assert corrected.left_out == (LeftOut("red/1.png", "blurred"),)
    labels = {record.path.relative_to(folder).as_posix(): data.classes[record.label] for record in corrected.records}
    assert labels["red/2.png"] == "blue"
    assert labels["red/3.png"] == "red"
    assert "red/1.png" not in labels
    assert data == scan(folder, settings.limits)


def test_mends_of_what_is_gone_do_nothing(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    data = scan(folder, settings.limits)
    stale = (
        Mend(file="red/99.png", action=DROP),
        Mend(file="../colours/red/1.png", action=DROP),
        Mend(file="red/1.png", action=RELABEL, name="green"),
        Mend(file="red/2.png", action=RELABEL),
    )
    assert Located(root=folder, mends=stale).applied(data) == data


def test_a_drop_without_a_reason_was_by_hand(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    corrected = Located(root=folder, mends=(Mend(file="red/1.png", action=DROP),)).applied(
        scan(folder, settings.limits)
    )
    assert corrected.left_out == (LeftOut("red/1.png", "left out by hand"),)


def test_a_corrected_manifest_has_an_entry_for_each_record(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    manifest = read(folder, settings)
    corrected = Located(root=folder, mends=(ONE, TWO, THREE)).applied_to_manifest(manifest)
    assert [folder / entry.file for entry in corrected.entries] == [record.path for record in corrected.data.records]
    assert [entry.name for entry in corrected.entries] == [
        corrected.data.classes[record.label] for record in corrected.data.records
    ]
    assert by_file(corrected)["red/2.png"] == dataclasses.replace(by_file(manifest)["red/2.png"], name="blue")
    assert corrected.fingerprint != manifest.fingerprint
    assert Located(root=folder).applied_to_manifest(manifest) == manifest


def test_how_a_person_wants_the_data_read_is_kept_and_older_files_do_not_say_it(tmp_path: Path) -> None:
    path = tmp_path / "mends.json"
    Located(root=Path("/photos"), mends=(ONE,), layout="splits").write(path)
    assert Located.read(path).layout == "splits"
    path.write_text(json.dumps(WHOLE))
    assert Located.read(path) == Located(root=Path("/photos"), mends=(ONE,))
    for layout in ("anything", None, ["classes"]):
        path.write_text(json.dumps(WHOLE | {"layout": layout}))
        with pytest.raises(DataError):
            Located.read(path)

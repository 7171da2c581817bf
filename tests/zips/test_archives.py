"""Zips from strangers: each trick is built here, and each refusal leaves the folder as it was."""

import errno
import io
import stat
import struct
import tarfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.made_zips import HONEST, LIMITS, MSDOS, UNIX, UTF8_FLAG, info, tree, with_raw_names, written, zipped
from tl_engine.base.errors import DataError
from tl_engine.base.names import LEFT_OUT_FILE
from tl_engine.base.settings import MEGABYTE, SHARED, Limits
from tl_engine.zips import archives
from tl_engine.zips.archives import content_name, unpack
from tl_engine.zips.left_out import left_out


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A folder that holds somebody's earlier data, next to which archives are unpacked."""
    parent = tmp_path / "archives"
    (parent / "earlier" / "cats").mkdir(parents=True)
    (parent / "earlier" / "cats" / "1.jpg").write_bytes(b"earlier")
    return parent


def refusal(
    content: bytes,
    parent: Path,
    limits: Limits = LIMITS,
    name: str = "photos.zip",
    most_written: int | None = None,  # bytes, until it is refused
) -> str:
    """What is said of a bad archive, after checking that nothing at all was left anywhere."""
    archive = written(parent.parent, content, name)
    before, sizes = tree(parent.parent), [0]
    with pytest.raises(DataError) as caught:
        unpack(archive, parent / "new", limits, lambda done, _total: sizes.append(done))
    assert most_written is None or max(sizes) <= most_written
    assert tree(parent.parent) == before
    text = str(caught.value)
    assert str(parent.parent) not in text
    assert "\n" not in text
    assert text.endswith(".")
    assert ": " in text
    assert len(text) < 300
    return text


# --- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_honest_zip_is_unpacked_whole(method: int, parent: Path) -> None:
    archive = written(parent.parent, zipped(HONEST.items(), method))
    unpack(archive, parent / "new", LIMITS)
    assert {name: (parent / "new" / name).read_bytes() for name in HONEST} == HONEST
    assert sorted(p.name for p in parent.iterdir()) == ["earlier", "new"]


def test_unpacked_folders_can_be_read_by_others(parent: Path) -> None:
    unpack(written(parent.parent, zipped(HONEST.items())), parent / "new", LIMITS)
    (parent / "plain").mkdir()
    assert stat.S_IMODE((parent / "new").stat().st_mode) == stat.S_IMODE((parent / "plain").stat().st_mode)


def test_what_systems_leave_behind_vanishes(parent: Path) -> None:
    junk = ["__MACOSX/cats/._1.jpg", "cats/.DS_Store", "cats/._2.jpg", "dogs/Thumbs.db", "dogs/desktop.ini"]
    junk += ["dogs/.ipynb_checkpoints/1.jpg", "__MACOSX/._cats"]
    content = zipped([*HONEST.items(), *((name, b"junk") for name in junk)])
    unpack(written(parent.parent, content), parent / "new", LIMITS)
    assert {n for n, c in tree(parent / "new").items() if c != b"<folder>"} == set(HONEST)


def test_junk_does_not_count_against_the_limit(parent: Path) -> None:
    content = zipped([*HONEST.items(), *((f"__MACOSX/._{i}", b"") for i in range(4))])
    unpack(written(parent.parent, content), parent / "new", Limits(free_bytes=0, entries=3))
    assert (parent / "new" / "cats" / "1.jpg").exists()


def test_a_colon_within_a_name_is_an_honest_time_of_day(parent: Path) -> None:
    unpack(written(parent.parent, zipped([("cats/2024-05-01 12:30:00.jpg", b"x")])), parent / "new", LIMITS)
    assert (parent / "new" / "cats" / "2024-05-01 12:30:00.jpg").exists()


def test_names_are_written_in_one_unicode_spelling(parent: Path) -> None:
    unpack(written(parent.parent, zipped([("A\u0308pfel/1.jpg", b"x")])), parent / "new", LIMITS)
    assert [p.name for p in (parent / "new").iterdir()] == ["\u00c4pfel"]


def test_two_visitors_may_unpack_the_same_archive_at_once(parent: Path) -> None:
    archive = written(parent.parent, zipped((f"cats/{i}.jpg", b"x" * 100) for i in range(200)))
    errors: list[str] = []

    def visit() -> None:
        try:
            unpack(archive, parent / "new", LIMITS)
        except DataError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list((parent / "new" / "cats").iterdir())) == 200
    assert sorted(p.name for p in parent.iterdir()) == ["earlier", "new"]
    assert len(errors) == 3, "a folder that is there is not replaced"


# --- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "cats/../../evil.jpg",
        "/etc/evil.jpg",
        "//host/evil.jpg",
        "C:\\evil.jpg",
        "C:/evil.jpg",
        "..\\evil.jpg",
        "cats\\..\\..\\evil.jpg",
        "\\\\host\\evil.jpg",
    ],
)
def test_a_path_that_leads_outside_is_refused(name: str, parent: Path) -> None:
    text = refusal(zipped([*HONEST.items(), (name, b"evil")]), parent)
    assert "leads outside" in text
    assert name.replace("\\", "/") in text
    assert not (parent.parent / "evil.jpg").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cats/..", "goes back up"),
        ("cats/../dogs/evil.jpg", "goes back up"),
        ("cats/c:/evil.jpg", "begins like a drive (c:)"),
        ("cats/C:evil.jpg", "begins like a drive (C:)"),
        (".", "without a name"),
    ],
)
def test_a_path_that_stays_inside_is_not_said_to_lead_outside(name: str, reason: str, parent: Path) -> None:
    text = refusal(zipped([*HONEST.items(), (name, b"evil")]), parent)
    assert reason in text
    assert "leads outside" not in text


@pytest.mark.parametrize("system", [MSDOS, UNIX])
def test_backslashes_are_separators_as_powershell_writes_them(system: int, parent: Path) -> None:
    names = [b"all\\cats\\", b"all\\cats\\1.jpg", b"all\\dogs\\1.jpg", b"all\\dogs\\Thumbs.db"]
    unpack(written(parent.parent, with_raw_names(names, system=system)), parent / "new", LIMITS)
    assert set(tree(parent / "new")) == {"all", "all/cats", "all/cats/1.jpg", "all/dogs", "all/dogs/1.jpg"}


def test_a_path_that_begins_where_it_stands_is_honest(parent: Path) -> None:
    unpack(written(parent.parent, zipped([("./cats/1.jpg", b"x"), ("dogs//1.jpg", b"y")])), parent / "new", LIMITS)
    assert set(tree(parent / "new")) == {"cats", "cats/1.jpg", "dogs", "dogs/1.jpg"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [("more\\inner.zip", "archive inside"), ("\\".join("abcdefgh"), "folders deep"), ("a\\C:x.jpg", "like a drive")],
)
def test_backslashes_pass_no_rule_by(name: str, reason: str, parent: Path) -> None:
    assert reason in refusal(zipped([(name, b"x")]), parent)


def test_a_symlink_is_refused(parent: Path) -> None:
    link = info("cats/link.jpg", stat.S_IFLNK | 0o777)
    assert "a link and not a file" in refusal(zipped([*HONEST.items(), (link, b"/etc/passwd")]), parent)


def test_a_file_below_a_symlink_never_gets_outside(parent: Path) -> None:
    link = info("cats", stat.S_IFLNK | 0o777)
    assert "link" in refusal(zipped([(link, str(parent.parent).encode()), ("cats/evil.jpg", b"x")]), parent)


@pytest.mark.parametrize("names", [("cats", "cats/1.jpg"), ("all/Cats/x/1.jpg", "all/cats"), ("a\\b", "a\\b\\c")])
def test_a_file_that_is_also_a_folder_is_said_to_be_both(names: tuple[str, ...], parent: Path) -> None:
    assert "both as a file and as a folder" in refusal(zipped((name, b"x") for name in names), parent)


def test_an_entry_without_a_name_is_refused(parent: Path) -> None:
    assert "without a name" in refusal(with_raw_names([b"cats/1.jpg", b""]), parent)


def test_a_name_that_is_no_unicode_is_refused(parent: Path) -> None:
    assert "not the UTF-8 it claims" in refusal(with_raw_names([b"\xff\xfe/1.jpg"], UTF8_FLAG), parent)


def test_a_folder_chain_deeper_than_six_is_refused(parent: Path) -> None:
    assert "6 folders deep" in refusal(zipped([("/".join("abcdefgh") + ".jpg", b"x")]), parent)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 300, "300 characters, more than 120"),
        ("x" * 117 + ".jpg", "121 characters, more than 120"),
        ("字" * 86, "258 bytes, more than the 255"),
        ("字" * 100 + ".jpg", "304 bytes, more than the 255"),
    ],
)
def test_a_name_too_long_for_disks_is_refused_in_its_own_measure(name: str, reason: str, parent: Path) -> None:
    assert f"a name of {reason}" in refusal(zipped([(f"cats/{name}", b"x")]), parent)


@pytest.mark.parametrize("name", ["cats\n/1.jpg", "cats/\x1b[31m.jpg", "cats/\x7f.jpg", "cats\\\t.jpg"])
def test_a_name_with_control_characters_is_refused_in_one_line(name: str, parent: Path) -> None:
    assert "control characters" in refusal(zipped([(name, b"x")]), parent)


@pytest.mark.parametrize("twin", ["cats/1.jpg", "cats/1.JPG", "Cats/1.jpg"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_for_one_file_are_refused(twin: str, parent: Path) -> None:
    assert "twice" in refusal(zipped([("cats/1.jpg", b"x"), (twin, b"y")]), parent)


def test_an_archive_name_with_a_line_break_is_shown_in_one_line(parent: Path) -> None:
    assert refusal(b"no zip", parent, name="my\nphotos<b>.zip").startswith("my?photos<b>.zip is no zip")


# --- bombs -----------------------------------------------------------------------------------------------------------


def test_a_deflate_bomb_is_refused_before_a_megabyte_is_written(parent: Path) -> None:
    content = zipped([*HONEST.items(), ("cats/bomb.jpg", bytes(100 * MEGABYTE))])
    assert len(content) < MEGABYTE
    assert "far more than photos do" in refusal(content, parent, most_written=0)


def test_a_bomb_of_many_small_entries_is_refused(parent: Path) -> None:
    content = zipped((f"cats/{i}.jpg", bytes(MEGABYTE)) for i in range(30))
    assert "far more than photos do" in refusal(content, parent, most_written=0)


def lying(content: bytes, true_size: int, told_size: int) -> bytes:
    """The zip with its unpacked size misstated in both places, and the checksum left true."""
    return content.replace(struct.pack("<I", true_size), struct.pack("<I", told_size))


def test_a_bomb_that_lies_about_its_size_is_stopped_within_a_megabyte(parent: Path) -> None:
    size = 64 * MEGABYTE + 1
    content = lying(zipped([("cats/bomb.jpg", bytes(size))]), size, 1000)
    refusal(content, parent, most_written=MEGABYTE)


def test_more_than_the_budget_is_refused_before_writing(parent: Path) -> None:
    noise = np.random.default_rng(0).bytes(MEGABYTE)
    content = zipped([("cats/1.jpg", noise), ("cats/2.jpg", noise)])
    assert "unpacks to 2 MB" in refusal(
        content, parent, Limits(free_bytes=0, unpacked_bytes=int(1.5 * MEGABYTE)), most_written=0
    )


def test_a_drawing_on_white_is_no_bomb(parent: Path) -> None:
    unpack(written(parent.parent, zipped([("cats/1.bmp", b"\xff" * 3 * MEGABYTE)])), parent / "new", LIMITS)
    assert (parent / "new" / "cats" / "1.bmp").stat().st_size == 3 * MEGABYTE


def overlapping(count: int) -> bytes:
    """The full-overlap bomb: one packed kernel, `count` directory entries that all point at it."""
    data = np.random.default_rng(0).bytes(50_000)
    packed = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = packed.compress(data) + packed.flush()
    sizes = struct.pack("<HHHHHIII", 20, 0, 8, 0, 0x21, zlib.crc32(data), len(body), len(data))
    local = b"PK\x03\x04" + sizes + struct.pack("<HH", 5, 0) + b"00000" + body
    directory = b"".join(
        b"PK\x01\x02" + struct.pack("<H", 20) + sizes + struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0) + b"%05d" % i
        for i in range(count)
    )
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(local), 0)
    return local + directory + end


def test_entries_that_overlap_are_refused(parent: Path) -> None:
    content = overlapping(15)  # 750 KB: too little for any other rule
    assert len(zipfile.ZipFile(io.BytesIO(content)).infolist()) == 15
    assert "overlap" in refusal(content, parent, most_written=0)


def many(count: int, told: int | None = None) -> bytes:
    """A zip of empty files, made without zipfile, which takes seconds; `told` is the count it admits to."""
    sizes = struct.pack("<HHHHHIII", 20, 0, 0, 0, 0x21, 0, 0, 0)
    names = [b"a/%06d" % i for i in range(count)]
    local = [b"PK\x03\x04" + sizes + struct.pack("<HH", 8, 0) + name for name in names]
    head = b"PK\x01\x02" + struct.pack("<H", 20) + sizes + struct.pack("<HHHHHI", 8, 0, 0, 0, 0, 0)
    directory = b"".join(head + struct.pack("<I", 38 * i) + name for i, name in enumerate(names))
    told = min(count if told is None else told, 65_535)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, told, told, len(directory), 38 * count, 0)
    return b"".join(local) + directory + end


@pytest.mark.parametrize("told", [None, 1])
@pytest.mark.parametrize("limits", [LIMITS, SHARED], ids=["home", "shared"])
def test_a_hundred_thousand_entries_are_refused_within_a_second(limits: Limits, told: int | None, parent: Path) -> None:
    archive = written(parent.parent, many(100_000, told))
    started = time.perf_counter()
    with pytest.raises(DataError, match=r"holds more than [0-9,]+ entries"):
        unpack(archive, parent / "new", limits)
    assert time.perf_counter() - started < 1
    assert sorted(p.name for p in parent.iterdir()) == ["earlier"]


def in_zip64(content: bytes) -> bytes:
    """The same zip with the end record of a large one before its own, which then admits to nothing."""
    at = content.rfind(b"PK\x05\x06")
    count, size, start = struct.unpack_from("<HII", content, at + 10)
    large = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, start)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, at, 1)
    return content[:at] + large + locator + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [bytes, in_zip64])
def test_entries_with_much_beside_their_names_are_refused(wrapped: Callable[[bytes], bytes], parent: Path) -> None:
    """zipfile reads that in steps of four bytes: 16 ms for an entry."""
    content = wrapped(with_raw_names((b"a/%03d.jpg" % i for i in range(110)), extra=b"\x99\x99\0\0" * 16_000))
    assert len(zipfile.ZipFile(io.BytesIO(content)).infolist()) == 110
    assert "on the names of 110 files" in refusal(content, parent, most_written=0)


@pytest.mark.parametrize("wrapped", [bytes, in_zip64])
def test_what_honest_entries_carry_beside_their_names_is_taken(wrapped: Callable[[bytes], bytes], parent: Path) -> None:
    names = [("class/" + "n" * 100 + f"{i:03}.jpg").encode() for i in range(150)]
    content = wrapped(with_raw_names(names, extra=b"\x99\x99\0\0" * 16))
    unpack(written(parent.parent, content), parent / "new", LIMITS)
    assert len(list((parent / "new" / "class").iterdir())) == 150


def test_one_file_over_the_limit_is_refused(parent: Path) -> None:
    assert "holds 3 files" in refusal(zipped(HONEST.items()), parent, Limits(free_bytes=0, entries=2))


def test_an_archive_over_the_limit_is_refused(parent: Path) -> None:
    text = refusal(zipped([("a/1.jpg", bytes(10))]) + bytes(2 * MEGABYTE), parent, Limits(archive_bytes=MEGABYTE))
    assert "has 2 MB: the largest archive taken has 1 MB" in text


def test_new_data_is_refused_when_the_disk_is_nearly_full(parent: Path) -> None:
    assert "make room" in refusal(zipped(HONEST.items()), parent, Limits(free_bytes=10**18))


# --- methods and other formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_methods_are_refused(method: int, parent: Path) -> None:
    assert "rare method" in refusal(zipped(HONEST.items(), method), parent)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_in_rare_methods_are_refused_before_writing(method: int, parent: Path) -> None:
    refusal(zipped([("cats/1.jpg", bytes(20 * MEGABYTE))], method), parent, most_written=0)


@pytest.mark.parametrize("suffix", [".zip", ".ZIP", ".tar", ".tar.gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"])
def test_an_archive_inside_the_archive_is_refused(suffix: str, parent: Path) -> None:
    inner = zipped(HONEST.items())
    assert "archive inside the archive" in refusal(
        zipped([("cats/1.jpg", b"x"), (f"dogs/more{suffix}", inner)]), parent
    )


def test_an_encrypted_zip_is_refused(parent: Path) -> None:
    content = bytearray(zipped(HONEST.items(), zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 1)
    assert "zip without a password" in refusal(bytes(content), parent)


def tarred(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as opened:
        opened.addfile(tarfile.TarInfo("../evil.jpg"))
    return buffer.getvalue()


NO_ZIPS: dict[str, Callable[[], bytes]] = {
    "tar": lambda: tarred("w"),
    "tar.gz": lambda: tarred("w:gz"),
    "7z": lambda: b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(100),
    "rar": lambda: b"Rar!\x1a\x07\x01\0" + bytes(100),
    "HTML": lambda: b"<!doctype html><title>Sign in</title>",
    "picture": lambda: b"\xff\xd8\xff\xe0" + bytes(100),
    "end mark only": lambda: b"PK\x05\x06",
}


@pytest.mark.parametrize("kind", NO_ZIPS)
def test_what_is_no_zip_is_refused_whatever_its_name(kind: str, parent: Path) -> None:
    assert "is no zip: pack the class folders as a zip" in refusal(NO_ZIPS[kind](), parent)


def test_an_empty_file_named_zip_is_said_to_be_empty(parent: Path) -> None:
    assert "empty (0 bytes)" in refusal(b"", parent)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_zip_is_said_to_be_cut_short(share: float, parent: Path) -> None:
    content = zipped(HONEST.items())
    assert "cut short" in refusal(content[: int(len(content) * share)], parent)


@pytest.mark.parametrize("entries", [[], [("cats/", b"")], [("__MACOSX/._x", b"x"), (".DS_Store", b"x")]])
def test_a_zip_without_files_is_said_to_be_empty(entries: list[tuple[str, bytes]], parent: Path) -> None:
    assert "zip one folder per class" in refusal(zipped(entries), parent)


@pytest.mark.parametrize("behind", [10, 60_000])
@pytest.mark.parametrize("before", [0, 5_000])
def test_a_zip_with_bytes_around_it_is_read(before: int, behind: int, parent: Path) -> None:
    """Self-extracting zips begin with a program; some downloads end in padding."""
    content = b"MZ".ljust(before, b"\0")[:before] + zipped(HONEST.items()) + bytes(behind)
    unpack(written(parent.parent, content), parent / "new", LIMITS)
    assert {name: (parent / "new" / name).read_bytes() for name in HONEST} == HONEST


@pytest.mark.parametrize("before", [0, 5_000])
def test_a_zip_with_too_much_behind_it_is_told_so(before: int, parent: Path) -> None:
    content = b"MZ".ljust(before, b"\0")[:before] + zipped(HONEST.items()) + bytes(70_000)
    assert "70,000 bytes behind its end" in refusal(content, parent)


def test_a_cut_zip_that_holds_a_whole_one_is_still_cut_short(parent: Path) -> None:
    content = zipped([("cats/1.jpg", b"x"), ("dogs/inner", zipped(HONEST.items()) + bytes(70_000))], zipfile.ZIP_STORED)
    assert "cut short" in refusal(content[:-200], parent)


def test_a_part_of_a_zip_in_parts_is_told_so(parent: Path) -> None:
    assert "one part of a zip in several parts" in refusal(b"PK\x07\x08" + zipped(HONEST.items())[:100], parent)


def test_a_folder_that_is_there_is_said_to_be_there(parent: Path) -> None:
    with pytest.raises(DataError, match="unpacked already"):
        unpack(written(parent.parent, zipped(HONEST.items())), parent / "earlier", LIMITS)
    assert (parent / "earlier" / "cats" / "1.jpg").read_bytes() == b"earlier"


# --- damaged photos --------------------------------------------------------------------------------------------------


def broken(content: bytes, at: bytes, new: bytes) -> bytes:
    """The zip with other bytes at one place, the first of its kind."""
    assert len(at) == len(new)
    assert at in content
    return content.replace(at, new, 1)


def checksum_wrong() -> bytes:
    return broken(zipped(HONEST.items(), zipfile.ZIP_STORED), b"three", b"trois")


def stream_damaged() -> bytes:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"three") + packer.flush()
    return broken(zipped(HONEST.items()), packed, b"\xff" * len(packed))


def header_damaged() -> bytes:
    content = zipped(HONEST.items())
    at = content.rfind(b"PK\x03\x04")
    return content[:at] + b"PK\x03\x05" + content[at + 4 :]


@pytest.mark.parametrize("damaged", [checksum_wrong, stream_damaged, header_damaged])
def test_a_damaged_photo_is_left_out_by_name_and_the_others_are_taken(
    damaged: Callable[[], bytes], parent: Path
) -> None:
    unpack(written(parent.parent, damaged()), parent / "new", LIMITS)
    ((file, reason),) = left_out(parent / "new")
    assert file == "dogs/1.jpg"
    assert reason.startswith("1.jpg is damaged in photos.zip, its ")
    assert {n for n, c in tree(parent / "new").items() if c != b"<folder>"} == {*list(HONEST)[:2], LEFT_OUT_FILE}


def test_a_zip_of_damaged_photos_alone_is_refused_with_the_first(parent: Path) -> None:
    content = broken(zipped([("dogs/1.jpg", b"three")], zipfile.ZIP_STORED), b"three", b"trois")
    assert "photos.zip holds no file that can be unpacked, the first: 1.jpg" in refusal(content, parent)


def test_what_a_zip_claims_to_have_left_out_itself_is_not_believed(parent: Path) -> None:
    claim = (f"all/{LEFT_OUT_FILE}", b'[{"file": "cats/1.jpg", "reason": "made up."}]')
    unpack(written(parent.parent, zipped([*HONEST.items(), claim])), parent / "new", LIMITS)
    assert left_out(parent / "new") == ()
    assert "all" not in tree(parent / "new")


def test_a_directory_that_hides_entries_is_damaged(parent: Path) -> None:
    """Of the first entry a comment is told that is as long as the second, which zipfile then skips."""
    content = bytearray(zipped(HONEST.items()))
    first = content.find(b"PK\x01\x02")
    content[first + 32] = content.find(b"PK\x01\x02", first + 1) - first
    assert "2 of its 3 entries" in refusal(bytes(content), parent)


def test_flipped_bytes_raise_nothing_but_data_errors_and_lose_nothing_silently(parent: Path) -> None:
    content, random = zipped(HONEST.items()), np.random.default_rng(0)
    before, refused = tree(parent), 0
    for index in range(400):
        flipped = bytearray(content)
        for at in random.integers(0, len(content), 3):
            flipped[at] = random.integers(0, 256)
        target = parent / f"new{index}"
        try:
            unpack(written(parent.parent, bytes(flipped)), target, LIMITS)
        except DataError:
            refused += 1
            assert not target.exists()
        else:
            taken = [n for n, c in tree(target).items() if c != b"<folder>" and n != LEFT_OUT_FILE]
            assert len(taken) + len(left_out(target)) >= 2  # a flipped count hides an entry, a flipped name moves it
    assert refused > 100
    assert {name: c for name, c in tree(parent).items() if not name.startswith("new")} == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_plainly_and_leaves_nothing(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> int:
        with Path("/dev/full").open("wb", buffering=0) as file:
            return file.write(b"x")

    monkeypatch.setattr(archives, "write_member", full)
    assert "No space left on device" in refusal(zipped(HONEST.items()), parent)


def test_a_disk_that_fills_up_after_some_photos_is_said_plainly_and_leaves_nothing(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written_already = archives.write_member, []

    def full(*arguments: Any) -> Iterator[int]:
        if len(written_already) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written_already.append(1)
        return write(*arguments)

    monkeypatch.setattr(archives, "write_member", full)
    assert "No space left on device" in refusal(zipped(HONEST.items()), parent)
    assert len(written_already) == 2


def test_the_folder_name_follows_the_content(tmp_path: Path) -> None:
    one = content_name(written(tmp_path, b"one", "../x<b>.zip".replace("../", "")))
    assert one.startswith("x-b-")
    assert one == content_name(written(tmp_path, b"one", "x<b>.zip"))
    assert one != content_name(written(tmp_path, b"two", "x<b>.zip"))

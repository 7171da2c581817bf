"""Names in zips: what the zip says of them is honoured, what it does not say is asked."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.made_zips import LIMITS, UNIX, UTF8_FLAG, tree, with_raw_names, written, zipped
from tl_engine.base.errors import DataError, Question
from tl_engine.base.written import AUTO
from tl_engine.data.reading import Reading
from tl_engine.zips.archives import unpack
from tl_engine.zips.names import encoding_called, entry_paths


def paths(content: bytes, encoding: str = AUTO) -> list[str]:
    return entry_paths(zipfile.ZipFile(io.BytesIO(content)).infolist(), "photos.zip", encoding)


def question(*names: bytes) -> Question:
    """What is asked about these names."""
    with pytest.raises(Question) as caught:
        paths(with_raw_names(names))
    return caught.value


def photos(encoding: str, *classes: str) -> list[bytes]:
    return [f"{name}/img{index:03}.jpg".encode(encoding) for name in classes for index in range(3)]


def unicode_path(raw: bytes, name: bytes, version: int = 1) -> bytes:
    """Info-ZIP's field, made for the entry called `raw`."""
    return struct.pack("<HHBI", 0x7075, 5 + len(name), version, zlib.crc32(raw)) + name


# --- said by the zip -------------------------------------------------------------------------------------------------


def test_flagged_names_are_utf8() -> None:
    assert paths(zipped([("猫/1.jpg", b"x"), ("Äpfel/1.jpg", b"y")])) == ["猫/1.jpg", "Äpfel/1.jpg"]


@pytest.mark.parametrize("system", [0, UNIX, 19])
def test_utf8_without_the_flag_is_utf8_as_finder_and_linux_write_it(system: int) -> None:
    names = ["Rosé/1.jpg", "A\u0308pfel/1.jpg", "猫/1.jpg", "plain/1.jpg"]
    read = paths(with_raw_names((name.encode() for name in names), system=system))
    assert read == ["Rosé/1.jpg", "Äpfel/1.jpg", "猫/1.jpg", "plain/1.jpg"]


def test_the_unicode_path_field_is_honoured() -> None:
    raw = "狗/1.jpg".encode("gbk")
    before = struct.pack("<HH", 0x5455, 4) + b"time"
    assert paths(with_raw_names([raw], extra=before + unicode_path(raw, "狗/1.jpg".encode()))) == ["狗/1.jpg"]


@pytest.mark.parametrize(
    "extra",
    [
        unicode_path(b"another name", "猫/1.jpg".encode()),
        unicode_path("狗/1.jpg".encode("gbk"), "猫/1.jpg".encode(), version=2),
        unicode_path("狗/1.jpg".encode("gbk"), b"\xff/1.jpg"),
        unicode_path("狗/1.jpg".encode("gbk"), b""),
        struct.pack("<HH", 0x7075, 2) + b"\1\0",
    ],
    ids=["of another name", "of another version", "no UTF-8", "empty", "short"],
)
def test_a_unicode_path_field_that_does_not_fit_is_no_answer(extra: bytes) -> None:
    with pytest.raises(Question):
        paths(with_raw_names(["狗/1.jpg".encode("gbk")], extra=extra))


def test_a_unicode_path_that_leads_outside_is_refused(tmp_path: Path) -> None:
    raw = "狗/1.jpg".encode("gbk")
    archive = written(tmp_path, with_raw_names([raw], extra=unicode_path(raw, b"../evil.jpg")))
    with pytest.raises(DataError, match="leads outside"):
        unpack(archive, tmp_path / "new", LIMITS)


# --- asked -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "classes"),
    [
        ("gbk", ("猫", "狗")),
        ("gbk", ("男", "女")),  # the second alone would pass for UTF-8
        ("big5", ("貓", "狗", "功能")),
        ("cp932", ("表", "ソファ", "猫")),  # their second bytes are backslashes
        ("cp949", ("고양이", "개")),
        ("cp866", ("кошки", "собаки")),
        ("cp1251", ("кошки", "собаки")),
        ("cp437", ("Äpfel", "Rosé")),
        ("cp1252", ("Äpfel", "Rosé")),
        ("cp852", ("żółw", "łoś")),
    ],
)
def test_names_in_an_unsaid_encoding_are_asked_with_the_likeliest_first(
    encoding: str, classes: tuple[str, ...]
) -> None:
    readings = question(*photos(encoding, *classes)).readings
    assert next(iter(readings.values())) == ", ".join(classes)
    assert "cp437" in readings
    assert 2 <= len(readings) <= 8


@pytest.mark.parametrize(
    ("encoding", "classes"),
    [
        ("cp862", ("חתול", "כלב")),
        ("cp1255", ("חתול", "כלב")),
        ("cp737", ("γάτα", "σκύλος")),
        ("cp1253", ("γάτα", "σκύλος")),
        ("cp1256", ("قطة", "كلب")),
        ("cp874", ("แมว", "หมา")),
        ("cp1250", ("żółw", "łoś")),
    ],
)
def test_rarer_encodings_are_among_the_readings(encoding: str, classes: tuple[str, ...]) -> None:
    assert ", ".join(classes) in question(*photos(encoding, *classes)).readings.values()


@pytest.mark.parametrize("name", ["猫", "女", "猫1"])
def test_one_letter_that_is_utf8_by_chance_is_asked(name: str) -> None:
    """In GBK 猫 has the bytes of è in UTF-8."""
    readings = question(*photos("gbk", name)).readings
    assert readings["gbk"] == name
    assert next(iter(readings)) == "utf-8"


@pytest.mark.parametrize("classes", [("Rosé",), ("ñu",), ("кот",), ("да", "нет"), ("犬",), ("öl", "ä")])
def test_words_that_are_utf8_are_not_asked(classes: tuple[str, ...]) -> None:
    assert paths(with_raw_names(photos("utf-8", *classes)))[0] == f"{classes[0]}/img000.jpg"


def test_each_reading_can_be_chosen_and_gives_what_it_showed() -> None:
    content = with_raw_names(photos("gbk", "猫", "狗"))
    with pytest.raises(Question) as caught:
        paths(content)
    for encoding, shown in caught.value.readings.items():
        assert ", ".join(dict.fromkeys(path.split("/")[0] for path in paths(content, encoding))) == shown


def test_the_question_names_the_zip_and_the_option() -> None:
    asked = question(*photos("gbk", "猫", "狗"))
    assert asked.option in Reading.__dataclass_fields__
    text = str(asked)
    assert text.startswith("photos.zip ")
    assert "猫, 狗 (gbk)" in text
    assert "--zip-names gbk" in text
    assert text.endswith(".")
    assert len(text) < 300


def test_a_question_about_many_names_shows_five_and_stays_short() -> None:
    asked = question(*photos("gbk", *(f"{'狗' * 60}{index}" for index in range(30))))
    assert all(reading.count(", ") == 4 for reading in asked.readings.values())
    assert len(str(asked)) < 300


def test_folders_are_shown_rather_than_photos_and_photos_where_they_alone_are_in_doubt() -> None:
    assert question("狗/照片1.jpg".encode("gbk"), "cats/照片2.jpg".encode("gbk")).readings["gbk"] == "狗"
    assert question("cats/照片1.jpg".encode("gbk")).readings["gbk"] == "照片1.jpg"


def test_a_zip_that_is_asked_about_leaves_nothing(tmp_path: Path) -> None:
    archive = written(tmp_path, with_raw_names(photos("gbk", "猫", "狗")))
    with pytest.raises(Question):
        unpack(archive, tmp_path / "new", LIMITS)
    assert set(tree(tmp_path)) == {"photos.zip"}


def test_zip_names_that_begin_like_a_byte_order_mark_are_asked_as_well() -> None:
    assert question(b"\xfe\xffcats/1.jpg", b"\x84\x31\x95\x33/1.jpg").readings


# --- answered --------------------------------------------------------------------------------------------------------


def test_the_answer_is_taken(tmp_path: Path) -> None:
    names = [*photos("cp932", "表", "ソファ"), b"plain\\1.jpg"]
    unpack(written(tmp_path, with_raw_names(names)), tmp_path / "new", LIMITS, zip_names="cp932")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["plain", "ソファ", "表"]


def test_the_answer_leaves_names_alone_that_the_zip_is_sure_of() -> None:
    assert paths(zipped([("猫/1.jpg", b"x"), ("cats/1.jpg", b"y")]), "cp866") == ["猫/1.jpg", "cats/1.jpg"]
    assert paths(with_raw_names(["猫/1.jpg".encode()], UTF8_FLAG), "gbk") == ["猫/1.jpg"]


def test_the_answer_wins_over_bytes_that_look_like_utf8() -> None:
    assert paths(with_raw_names(photos("gbk", "女")), "gbk")[0] == "女/img000.jpg"


@pytest.mark.parametrize(
    "name", ["klingon", "", "rot13", "base64", "utf-16", "cp037", "idna", "a\0b", "x" * 500, "ä\n"]
)
def test_an_encoding_that_is_none_of_names_is_refused_by_name(name: str) -> None:
    with pytest.raises(DataError, match="--zip-names") as caught:
        paths(with_raw_names(photos("gbk", "猫")), name)
    assert not isinstance(caught.value, Question)
    assert name[:10].replace("\0", "?").replace("\n", "?") in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "shift_jis"])
def test_an_encoding_that_the_names_are_not_in_is_refused_by_name(encoding: str) -> None:
    with pytest.raises(DataError, match=r"photos\.zip are not in") as caught:
        paths(with_raw_names(photos("gbk", "向日葵", "玫瑰")), encoding)
    assert encoding_called(encoding) in str(caught.value)


@pytest.mark.parametrize("name", ["gbk", "GBK", "936", "cp936"])
def test_an_encoding_has_one_name(name: str) -> None:
    assert encoding_called(name) == "gbk"

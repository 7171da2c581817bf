"""What did not come along into a folder is remembered there, and read back from whatever stands there."""

from pathlib import Path

import pytest

from tl_engine.base.names import LEFT_OUT_FILE
from tl_engine.zips.left_out import left_out, write_left_out

FOUND = (("猫/1.jpg", "1.jpg is damaged: zip it again."), ("dogs/2.jpg", "2.jpg is damaged: zip it again."))


def test_what_was_left_out_is_read_back(tmp_path: Path) -> None:
    write_left_out(tmp_path, FOUND)
    assert left_out(tmp_path) == FOUND


def test_nothing_is_written_where_nothing_was_left_out(tmp_path: Path) -> None:
    write_left_out(tmp_path, ())
    assert list(tmp_path.iterdir()) == []
    assert left_out(tmp_path) == ()


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"[1]", b'[{"file": "x"}]', b'"text"', b"7", b"[" * 100_000])
def test_a_file_of_that_name_from_anybody_harms_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LEFT_OUT_FILE).write_bytes(content)
    assert left_out(tmp_path) == ()


def test_a_folder_that_is_not_there_left_nothing_out(tmp_path: Path) -> None:
    assert left_out(tmp_path / "nothing") == ()

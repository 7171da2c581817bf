"""The bytes of a photo are hashed once ever."""

import dataclasses
import os
from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tl_engine.base.files import file_hash
from tl_engine.base.settings import Settings
from tl_engine.data.hashes import content_hashes, kept_file
from tl_engine.data.scan import scan


@pytest.fixture
def root(make_images: MakeImages) -> Path:
    return make_images(each=3)


def test_an_unchanged_file_is_not_read_again(root: Path, settings: Settings) -> None:
    data = scan(root, settings.limits)
    first = content_hashes(data, settings)
    assert first == {record.path: file_hash(record.path) for record in data.records}
    path = data.records[0].path
    status = path.stat()
    path.write_bytes(bytes(status.st_size))  # other bytes of the same size and time: only reading would tell
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert content_hashes(data, settings) == first
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert content_hashes(data, settings)[path] == file_hash(path) != first[path]


def test_a_part_of_a_data_set_does_not_forget_the_rest(root: Path, settings: Settings) -> None:
    data = scan(root, settings.limits)
    content_hashes(data, settings)
    before = kept_file(data.root, settings).read_bytes()
    content_hashes(dataclasses.replace(data, records=data.records[:1]), settings)
    assert kept_file(data.root, settings).read_bytes() == before


@pytest.mark.parametrize("damage", ["", "{}", '{"format": 1, "hashes": {"red/0.png": [1]}}', '{"format": 2}', "[]"])
def test_damaged_notes_are_made_again(damage: str, root: Path, settings: Settings) -> None:
    data = scan(root, settings.limits)
    first = content_hashes(data, settings)
    kept_file(data.root, settings).write_text(damage)
    assert content_hashes(data, settings) == first


def test_a_file_that_is_gone_has_a_name_of_its_own(root: Path, settings: Settings) -> None:
    data = scan(root, settings.limits)
    for record in data.records[:2]:
        record.path.unlink()
    hashes = content_hashes(data, settings)
    assert len(set(hashes.values())) == len(data.records)

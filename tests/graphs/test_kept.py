"""What an export of a frozen backbone leaves for the next: given back whole or not at all, for that backbone only."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import own_settings
from tl_engine.base.files import file_hash
from tl_engine.graphs.kept import BY_APP, BY_PROGRAM, MOST_PHOTOS, Kept, forget_photos
from tl_engine.runs.meta import BackboneMeta, Learned, Meta

LINEAR = {"head.weight": np.zeros((2, 4), np.float32), "head.bias": np.zeros(2, np.float32)}
META = Meta(
    architecture="small_vgg", backbone=BackboneMeta(weights="download", hash="a" * 64), learned=Learned.HEAD,
    classes=("a", "b"), preprocessing={"resize": 64, "crop": 64},
)  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(own_settings(tmp_path), "a" * 32)


def digests(number: int, first: int = 0) -> list[str]:
    return [f"{first + row:064x}" for row in range(number)]


def test_what_is_read_is_what_was_kept_and_nothing_damaged(kept: Kept) -> None:
    assert kept.read("onnx") is None
    kept.add("onnx", b"a graph" * 100)
    assert kept.read("onnx") == b"a graph" * 100
    file = next(kept.folder.iterdir())
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    assert kept.read("onnx") is None


def test_what_was_unused_longest_makes_room(tmp_path: Path) -> None:
    settings = dataclasses.replace(own_settings(tmp_path), cache_bytes=1_500)
    old, new = Kept(settings, "a" * 32), Kept(settings, "b" * 32)
    old.add("onnx", bytes(900))
    new.add("onnx", bytes(900))
    assert old.read("onnx") is None
    assert new.read("onnx") is not None
    new.add("2-classes.pt2", bytes(900))  # what belongs to the backbone at hand stays, whatever it is called
    new.add("onnx", bytes(901))
    assert new.read("2-classes.pt2") is not None


def test_features_come_by_photo_in_any_order_all_or_none(kept: Kept) -> None:
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    assert kept.features(BY_APP, digests(1)) is None
    kept.add_features(BY_APP, digests(3), rows[:3])
    kept.add_features(BY_APP, digests(3, first=2), rows[2:])
    found = kept.features(BY_APP, [*reversed(digests(5)), digests(1)[0]])
    assert found is not None
    np.testing.assert_array_equal(found, [*rows[::-1], rows[0]])
    assert kept.features(BY_APP, digests(6)) is None
    assert kept.features(BY_APP, []) is None


def test_the_newest_photos_are_kept_and_rows_of_another_width_take_their_place(kept: Kept) -> None:
    kept.add_features(BY_APP, digests(MOST_PHOTOS), np.zeros((MOST_PHOTOS, 2), np.float32))
    kept.add_features(BY_APP, digests(1, first=MOST_PHOTOS), np.ones((1, 2), np.float32))
    assert kept.features(BY_APP, digests(1)) is None
    assert kept.features(BY_APP, digests(MOST_PHOTOS, first=1)) is not None
    kept.add_features(BY_APP, digests(1), np.ones((1, 3), np.float32))
    assert kept.features(BY_APP, digests(1, first=5)) is None
    found = kept.features(BY_APP, digests(1))
    assert found is not None
    assert found.shape == (1, 3)


def test_a_photo_that_is_deleted_leaves_nothing(kept: Kept, tmp_path: Path) -> None:
    settings, other = own_settings(tmp_path), Kept(own_settings(tmp_path), "b" * 32)
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    kept.add_features(BY_APP, digests(5), rows)
    other.add_features(BY_PROGRAM, digests(1), rows[:1])
    kept.add("onnx", b"a graph")
    forget_photos(settings, set(digests(2)))
    assert [kept.features(BY_APP, [digest]) is None for digest in digests(5)] == [True, True, False, False, False]
    assert {path.name for path in kept.folder.iterdir()} == {f"{kept.key}.by-app", f"{kept.key}.onnx"}
    whole = next(kept.folder.glob("*.by-app"))
    assert not [row for row in rows[:2] if row.tobytes() in whole.read_bytes()]
    whole.write_bytes(b"of nobody knows what")
    forget_photos(settings, set(digests(1)))
    assert not whole.exists()


def test_whatever_changes_a_number_is_another_backbone(tmp_path: Path) -> None:
    settings, other = own_settings(tmp_path), dataclasses.replace(META.backbone, hash="b" * 64)
    key = Kept.of(settings, META, LINEAR).key
    for changed in ({"backbone": other}, {"architecture": "resnet18"}, {"preprocessing": {"resize": 72, "crop": 64}}):
        assert Kept.of(settings, dataclasses.replace(META, **changed), LINEAR).key != key  # type: ignore[arg-type]
    for alike in ({"classes": ("a", "b", "c")}, {"temperature": 2.0}):
        assert Kept.of(settings, dataclasses.replace(META, **alike), LINEAR).key == key  # type: ignore[arg-type]
    wider = LINEAR | {"head.weight": np.zeros((3, 4, 1, 1), np.float32)}  # a convolution is swapped for one of its size
    assert Kept.of(settings, META, wider).key != key


def test_a_photo_is_known_by_its_bytes(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b") != file_hash(tmp_path / "c")

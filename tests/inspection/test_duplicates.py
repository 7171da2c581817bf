"""Which files show one photo: the same bytes, or nearly the same tones and features; and what that spoils."""

import dataclasses
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from tl_engine.data.manifest import Entry
from tl_engine.inspection.duplicates import ALIKE, COSINE, find_duplicates
from tl_engine.inspection.findings import EXACT, NEAR, Duplicates, Features
from tl_engine.photos.look import Look

Tones = NDArray[np.uint8]


def some(seed: int) -> Tones:
    """The tones of a picture of its own."""
    return np.random.default_rng(seed).integers(60, 200, 256).astype(np.uint8)


A, B, C, D = (some(seed) for seed in range(4))


def nearly(tones: Tones, noise: float = 2.0, seed: int = 9) -> Tones:
    """The same picture as a copy shows it: two tones of noise leave a correlation of 0.998, twenty of 0.90."""
    return np.clip(tones + np.random.default_rng(seed).normal(0, noise, 256), 0, 255).astype(np.uint8)


def photo(file: str, tones: Tones = A, content: str = "", split: str = "train", name: str = "red") -> Entry:
    """A photo with these tones; its content is its own unless it is given."""
    look = Look(width=100, height=100, format="JPEG", tones=tones.tobytes().hex())
    return Entry(file=file, name=name, split=split, size=1, changed=1, sha256=content or f"of {file}", look=look)


def rows(*angles: float) -> Features:
    """Features whose likeness is the cosine of the angle (degrees) between them; their lengths differ."""
    turns = np.radians(angles)
    lengths = np.arange(1, len(angles) + 1)[:, None]
    found: Features = (lengths * np.stack([np.cos(turns), np.sin(turns)], axis=1)).astype(np.float32)
    return found


def files(found: list[Duplicates]) -> list[tuple[str, ...]]:
    return [group.files for group in found]


def test_the_same_bytes_are_one_exact_group_whatever_the_names() -> None:
    entries = [photo("b", B, "x"), photo("a", A), photo("z", B, "x"), photo("c", B, "x")]
    assert find_duplicates(entries) == [
        Duplicates(files=("b", "z", "c"), kind=EXACT, across_splits=False, across_classes=False)
    ]


def test_photos_unlike_each_other_are_no_duplicates() -> None:
    assert find_duplicates([]) == []
    assert find_duplicates([photo("a")]) == []
    assert find_duplicates([photo("a", A), photo("b", B), photo("c", C)]) == []


def test_the_same_tones_with_some_noise_are_near_and_with_much_noise_are_not() -> None:
    (group,) = find_duplicates([photo("a"), photo("b", nearly(A))])
    assert (group.files, group.kind) == (("a", "b"), NEAR)
    assert find_duplicates([photo("a"), photo("b", nearly(A, noise=20))]) == []


def test_a_brighter_or_flatter_copy_is_the_same_photo_and_its_negative_is_not() -> None:
    brighter, flatter, negative = A + 40, A // 2, 255 - A
    assert files(find_duplicates([photo("a"), photo("b", brighter), photo("c", flatter)])) == [("a", "b", "c")]
    assert find_duplicates([photo("a"), photo("b", negative)]) == []


def test_pictures_of_one_tone_are_like_nothing() -> None:
    blank = np.full(256, 128, np.uint8)
    assert find_duplicates([photo("a", blank), photo("b", blank), photo("c", blank + 1)]) == []
    assert [group.kind for group in find_duplicates([photo("a", blank, "x"), photo("b", blank, "x")])] == [EXACT]


def test_the_search_finds_every_pair_that_comparing_all_with_all_finds() -> None:
    originals = [some(seed) for seed in range(100, 160)]
    tones = originals + [nearly(row, (2.0, 30.0)[seed % 2], seed) for seed, row in enumerate(originals)]
    entries = [photo(f"{number:03d}", row) for number, row in enumerate(tones)]
    near = {
        (f"{one:03d}", f"{other:03d}")
        for one, other in itertools.combinations(range(len(tones)), 2)
        if np.corrcoef(tones[one], tones[other])[0, 1] >= ALIKE
    }
    assert len(near) == 30
    assert set(files(find_duplicates(entries))) == near


def test_photos_far_apart_in_a_large_data_set_are_compared_too_and_soon() -> None:
    many = np.random.default_rng(5).integers(0, 256, (3_000, 256)).astype(np.uint8)
    entries = [photo(f"{number:04d}", row) for number, row in enumerate(many)]
    entries += [photo("twin of the first", nearly(many[0])), photo("twin of 2999", nearly(many[2_999]))]
    assert files(find_duplicates(entries)) == [("0000", "twin of the first"), ("2999", "twin of 2999")]


def test_features_must_agree_where_they_are_known() -> None:
    entries = [photo("a"), photo("b", nearly(A))]
    limit = float(np.degrees(np.arccos(COSINE)))
    assert files(find_duplicates(entries, rows(0, limit - 1))) == [("a", "b")]
    assert find_duplicates(entries, rows(0, limit + 1)) == []
    assert find_duplicates([photo("a", A), photo("b", B)], rows(0, 0)) == []


def test_photos_whose_features_are_all_zero_are_like_nothing() -> None:
    assert find_duplicates([photo("a"), photo("b")], np.zeros((2, 4), np.float32)) == []


def test_a_photo_is_in_one_near_group_at_most() -> None:
    entries = [photo(f"{number}", nearly(A, seed=number)) for number in range(5)]
    entries += [photo(f"b{number}", nearly(B, seed=number)) for number in range(3)]
    assert files(find_duplicates(entries)) == [("0", "1", "2", "3", "4"), ("b0", "b1", "b2")]


def test_a_chain_of_likenesses_does_not_become_one_group() -> None:
    """a and c are each like b, but not like each other."""
    entries = [photo("a"), photo("b"), photo("c")]
    assert files(find_duplicates(entries, rows(0, 30, 60))) == [("a", "b")]
    assert files(find_duplicates(entries, rows(0, 30, 40))) == [("a", "b", "c")]
    assert files(find_duplicates(entries, rows(0, 60, 30))) == [("a", "c")]  # now b is like c, which a has already


@pytest.mark.parametrize(("content", "kind"), [("same", EXACT), ("", NEAR)])
def test_groups_across_splits_and_classes_are_marked(content: str, kind: str) -> None:
    one = photo("a", content=content)
    twins = {
        (False, False): photo("b", content=content),
        (True, False): photo("b", content=content, split="val"),
        (False, True): photo("b", content=content, name="blue"),
        (True, True): photo("b", content=content, name="blue", split="test"),
    }
    for marks, twin in twins.items():
        (group,) = find_duplicates([one, twin])
        assert (group.kind, group.across_splits, group.across_classes) == (kind, *marks)


def test_exact_ones_come_first_and_among_them_what_spoils_a_result() -> None:
    entries = [
        photo("n1", A), photo("n2", A),
        photo("a1", B, "a"), photo("a2", B, "a"),
        photo("b1", C, "b"), photo("b2", C, "b", name="blue"),
        photo("c1", D, "c"), photo("c2", D, "c", split="val"),
    ]  # fmt: skip
    assert files(find_duplicates(entries)) == [("c1", "c2"), ("b1", "b2"), ("a1", "a2"), ("n1", "n2")]


def test_a_near_group_names_the_exact_twins_too() -> None:
    """Else keeping one of each would leave the twin in val beside the near copy in train."""
    entries = [photo("copy", nearly(A)), photo("one", content="x"), photo("twin", content="x", split="val")]
    exact, near = find_duplicates(entries)
    assert (exact.files, near.files) == (("one", "twin"), ("copy", "one", "twin"))
    assert near.across_splits


def test_features_belong_to_their_entries_even_behind_exact_twins() -> None:
    entries = [photo("a", A, "x"), photo("b", A, "x"), photo("c", B), photo("d", nearly(B))]
    assert files(find_duplicates(entries, rows(0, 0, 90, 90))) == [("a", "b"), ("c", "d")]
    assert files(find_duplicates(entries, rows(0, 0, 0, 90))) == [("a", "b")]


def test_groups_are_the_same_for_the_same_photos() -> None:
    entries = [photo(f"{n:02d}", nearly(A, seed=n % 3), content=f"{n % 4}") for n in range(12)]
    found = find_duplicates(entries)
    assert find_duplicates([dataclasses.replace(entry) for entry in entries]) == found
    assert found

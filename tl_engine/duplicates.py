"""The same photo twice: byte for byte, or re-encoded, resized, slightly retouched. No torch here."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tl_engine.manifest import Entry

EXACT, NEAR = "exact", "near"
CHUNKS = 8  # bytes of a perceptual hash; hashes that differ in fewer bits share one of them
HASH_DISTANCE = 7  # bits of 64 in which two pictures of the same photo may differ
COSINE = 0.75  # likeness of features above which such a pair is one photo; copies had 0.80 and more, others 0.63
Features = NDArray[np.float32]  # (N, D), a row of each entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Files that show one photo, in the order of the data set."""

    files: tuple[str, ...]
    kind: str  # exact or near
    across_splits: bool
    across_classes: bool
    kept: str = ""  # the one that stays when only one may


def find_duplicates(entries: Sequence[Entry], features: Features | None = None) -> list[Duplicates]:
    """Groups of duplicates, exact ones first, and among those the ones that spoil a result first.

    Near ones have almost the same perceptual hash and, where features are known, almost the same features.
    """
    exact: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        exact[entry.sha256].append(index)
    first = [group[0] for group in exact.values()]  # one of each content: near pairs are found among these
    found = [_group(EXACT, group, entries) for group in exact.values() if len(group) > 1]
    same = {group[0]: group for group in exact.values()}  # a near pair is one of all their copies, byte for byte
    near = ([twin for index in group for twin in same[index]] for group in _near(first, entries, features))
    found += [_group(NEAR, group, entries) for group in near]
    return sorted(found, key=lambda d: (d.kind, not d.across_splits, not d.across_classes, d.files))


def _group(kind: str, indices: Sequence[int], entries: Sequence[Entry]) -> Duplicates:
    group = [entries[index] for index in sorted(indices)]
    return Duplicates(
        files=tuple(entry.file for entry in group),
        kind=kind,
        across_splits=len({entry.split for entry in group}) > 1,
        across_classes=len({entry.name for entry in group}) > 1,
    )


def _near(indices: Sequence[int], entries: Sequence[Entry], features: Features | None) -> Iterator[list[int]]:
    """Groups of indices that near pairs connect."""
    leader = {index: index for index in indices}

    def top(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for one, other in _alike(indices, entries):
        if features is None or _cosine(features[one], features[other]) >= COSINE:
            leader[top(other)] = top(one)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in indices:
        groups[top(index)].append(index)
    yield from (group for group in groups.values() if len(group) > 1)


def _alike(indices: Sequence[int], entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    """Pairs whose hashes differ in at most HASH_DISTANCE bits: those share one byte at least, so only these are met."""
    if not indices:
        return
    hashes = np.array([list(bytes.fromhex(entries[index].look.hash)) for index in indices], dtype=np.uint8)
    met: set[tuple[int, int]] = set()
    for chunk in range(CHUNKS):
        order = np.argsort(hashes[:, chunk], kind="stable")
        borders = np.flatnonzero(np.diff(hashes[order, chunk])) + 1
        for bucket in np.split(order, borders):
            for place, one in enumerate(bucket[:-1]):
                others = bucket[place + 1 :]
                distance = np.unpackbits(hashes[others] ^ hashes[one], axis=1).sum(1)
                for other in others[distance <= HASH_DISTANCE]:
                    met.add((min(int(one), int(other)), max(int(one), int(other))))
    yield from ((indices[one], indices[other]) for one, other in sorted(met))


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / scale if scale else 1.0

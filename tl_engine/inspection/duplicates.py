"""The same photo twice: byte for byte, or re-encoded, resized, slightly retouched. No torch here."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tl_engine.data.manifest import Entry
from tl_engine.inspection.findings import EXACT, NEAR, Duplicates, Features

ALIKE = 0.985  # correlation of tones from which two pictures may show one photo; copies had 0.993, others 0.865
COSINE = 0.75  # of their features from which they do; copies had 0.80 and more
BURST = 5  # near duplicates from which a group looks like a burst of one scene
BLOCK = 1024  # photos compared with all others at once


def find_duplicates(entries: Sequence[Entry], features: Features | None = None) -> list[Duplicates]:
    """Groups of duplicates, exact ones first, and among those the ones that spoil a result first.

    Near ones have almost the same tones and, where features are known, almost the same features.
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
    """Groups of near duplicates among the entries of these indices."""
    near = near_groups(_tones([entries[index] for index in indices]),
                       None if features is None else features[list(indices)])  # fmt: skip
    yield from ([indices[row] for row in group] for group in near)


def near_groups(grey: NDArray[np.float32], features: Features | None) -> Iterator[list[int]]:
    """Groups of rows like their first one; a row is in one group only, so a chain of likenesses does not grow.

    `grey` (N, P) are the tones of small pictures, `features` (N, D) what a network says of the large ones. All pairs,
    by matrix products: 20,000 photos, the most taken, are 200 billion operations, a few seconds.
    """
    tones = _directions(grey - grey.mean(1, keepdims=True)) if len(grey) else grey
    directions = None if features is None else _directions(features)
    free = np.ones(len(tones), dtype=bool)
    for start in range(0, len(tones), BLOCK):
        likeness = tones[start : start + BLOCK] @ tones.T
        for row, likely in enumerate(likeness, start=start):
            if not free[row]:
                continue
            others = row + 1 + np.flatnonzero((likely[row + 1 :] >= ALIKE) & free[row + 1 :])
            if directions is not None:
                others = others[directions[others] @ directions[row] >= COSINE]
            if len(others):
                free[others] = False
                yield [row, *others.tolist()]


def _tones(entries: Sequence[Entry]) -> NDArray[np.float32]:
    """The tones (N, P) that a look at each photo kept."""
    return np.array([list(bytes.fromhex(entry.look.tones)) for entry in entries], dtype=np.float32)


def _directions(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros, as of a picture of one tone, is like nothing."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).astype(np.float32)

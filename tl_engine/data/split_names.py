"""Which folders are called like the splits of a data set: train, valid, Test-Set, seg_train, val2017, 测试集."""

import re
from collections import defaultdict
from collections.abc import Iterable

WORDS = {
    **dict.fromkeys(("train", "training", "trainset", "trn", "训练", "训练集"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development", "eval", "evaluation"), "val"),
    **dict.fromkeys(("验证", "验证集"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "测试", "测试集"), "test"),
}
# What says no more than that it is a split of something.
FILLERS = frozenset(
    ("a", "all", "and", "cropped", "data", "dataset", "datasets", "examples", "files", "final", "folder", "folders",
     "full", "image", "images", "img", "imgs", "new", "original", "part", "photo", "photos", "pics", "pictures",
     "private", "public", "raw", "resized", "sample", "samples", "set", "sets", "small", "split", "the")
)  # fmt: skip
GLUED = re.compile(rf"({'|'.join(sorted(WORDS, key=len, reverse=True))})({'|'.join(sorted(FILLERS, key=len)[::-1])})")
LETTERS = re.compile(r"[^\W\d_]+")


def split_of(name: str) -> str | None:
    """train, val or test if a name says just that, with whatever digits, capitals and words such as set or images."""
    kind, rest = _parted(name)
    return None if rest else kind


def split_kinds(names: Iterable[str]) -> dict[str, str]:
    """Name -> split, for those of the names side by side that are splits.

    `seg_train` is one only beside `seg_test`: a lone `bullet_train`, or one beside `steam_train`, may be a class.
    """
    by_rest: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        kind, rest = _parted(name)
        if kind:
            by_rest[rest][name] = kind
    return {
        name: kind
        for rest, kinds in by_rest.items()
        if not rest or len(set(kinds.values())) > 1
        for name, kind in kinds.items()
    }


def _parted(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name speaks of, and its other words; no split where it speaks of two."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # trainSet, PublicTest
    words = [part for word in LETTERS.findall(spaced.lower()) for part in _unglued(word)]
    kinds = {WORDS[word] for word in words if word in WORDS}
    rest = tuple(word for word in words if word not in WORDS and word not in FILLERS)
    return (kinds.pop() if len(kinds) == 1 else None), rest


def _unglued(word: str) -> tuple[str, ...]:
    glued = GLUED.fullmatch(word)
    return glued.groups() if glued and word not in WORDS else (word,)

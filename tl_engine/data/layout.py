"""Which folders are classes and which are splits, from names and from what lies in them; a doubt becomes a Question.

Photos for testing are never taken for training unless that is chosen. Works on a tree; reads nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tl_engine.base.errors import Question
from tl_engine.base.names import clean_class_name
from tl_engine.base.written import AUTO
from tl_engine.data.reading import CLASSES, SPLITS
from tl_engine.data.split_names import split_kinds, split_of
from tl_engine.data.tree import Folder

TEMPLATE = "one folder per class with its photos in it (cats/, dogs/), or train/ and val/ holding such folders"
SHOWN = 5  # names told of many
WRAPPERS = frozenset(
    ("images", "image", "imgs", "img", "photos", "photo", "pictures", "pics", "data", "dataset", "datasets",
     "jpegimages")
)  # fmt: skip
ASIDE = frozenset(  # what stands beside photos and is about them
    ("annotation", "annotations", "bboxes", "boxes", "code", "csv", "doc", "docs", "imagesets", "json", "label",
     "labels", "lists", "mask", "masks", "meta", "metadata", "scripts", "segmentation", "segmentationclass",
     "segmentationobject", "segmentations", "splits", "trimaps", "xml", "xmls")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A folder whose photos, however deep, belong to one class and split."""

    folder: Folder
    class_name: str
    split: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What a tree is read as. `top` is the folder that holds the classes or splits; what is in no place is left out."""

    root: Folder
    top: Folder
    places: tuple[Place, ...]

    def classes(self) -> tuple[str, ...]:
        """Class names in index order."""
        return tuple(sorted({place.class_name for place in self.places}))

    def placed(self) -> Iterator[tuple[Folder, Place | None]]:
        """Every folder with its place; the innermost one wins."""
        by_path = {place.folder.path: place for place in self.places}
        waiting: list[tuple[Folder, Place | None]] = [(self.root, None)]
        while waiting:
            folder, outer = waiting.pop()
            place = by_path.get(folder.path, outer)
            yield folder, place
            waiting.extend((inside, place) for inside in folder.folders)

    def possible(self) -> bool:
        """Whether there are two classes to learn from."""
        return len({p.class_name for p in self.places if p.split == "train" and p.folder.photos()}) > 1

    def words(self) -> str:
        """`2 classes: cats, dogs; 12 files train, 6 test, 3 left out`."""
        number: Counter[str] = Counter()
        for folder, place in self.placed():
            number[place.split if place else "left out"] += len(folder.files)
        names = [name[:40] for name in self.classes()]
        more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
        counts = [f"{number[key]:,} {key}" for key in ("train", "val", "test", "left out") if number[key]]
        return f"{len(names):,} classes: {', '.join(names[:SHOWN])}{more}; files: {', '.join(counts)}"


@dataclass(frozen=True, slots=True)
class Guess:
    """The places if the folders hold classes. `sure`: so it is; None: it is not; False: it could be either."""

    places: tuple[Place, ...]
    sure: bool | None


def decide(root: Folder, layout: str = AUTO) -> Layout:
    """Read a tree as `layout` says. Raises Question where auto finds two readings, or one that is likely a mistake."""
    as_classes = _plain(root, _unwrapped(root, images=False))
    if layout == CLASSES:
        return as_classes
    top = _unwrapped(root, tests=False)
    guess = _guess(top)
    as_splits = Layout(root, top, guess.places)
    taken = _plain(root, top)
    if layout == SPLITS and not guess.places and top is not as_classes.top:
        return taken  # images/ beside annotations/
    if layout == SPLITS or guess.sure:
        return as_splits
    doubtful = guess.sure is False or _about_photos(taken.classes())
    possible = {CLASSES: as_classes, SPLITS: as_splits} if doubtful else {}
    if readings := {value: read.words() for value, read in possible.items() if read.possible()}:
        raise _question(root.name, readings)
    return taken


def _plain(root: Folder, top: Folder) -> Layout:
    return Layout(root, top, tuple(_classes(top, "train")))


def _question(name: str, readings: dict[str, str]) -> Question:
    options = " or ".join(f"--layout {value} ({words})" for value, words in readings.items())
    if len(readings) > 1:
        return Question(f"The folders of {name} can be read in two ways: choose {options}.", "layout", readings)
    doubt = f"The folders of {name} do not look like classes: make {TEMPLATE}, or choose {options}."
    return Question(doubt, "layout", readings)


def _unwrapped(folder: Folder, *, tests: bool = True, images: bool = True) -> Folder:
    """Step into what only wraps, twice at most: a lone folder that holds folders, and images/ beside annotations/.

    A lone folder of test photos only where `tests` says so.
    """
    for _ in range(2):
        inside = folder.folders
        lone = inside[0] if len(inside) == 1 and inside[0].folders else None
        if lone and (tests or split_of(lone.name) not in ("val", "test")):
            folder = lone
        elif images and (inner := _images(folder)) and _only_aside(folder, inner):
            folder = inner
        else:
            break
    return folder


def _images(folder: Folder) -> Folder | None:
    """The one folder in it that is called after pictures and holds folders of them."""
    found = [inside for inside in folder.folders if inside.name.lower() in WRAPPERS and inside.nested()]
    return found[0] if len(found) == 1 else None


def _only_aside(folder: Folder, images: Folder) -> bool:
    others = [inside for inside in folder.folders if inside is not images]
    return all(other.name.lower() in ASIDE or not other.photos() for other in others)


def _about_photos(classes: tuple[str, ...]) -> bool:
    """Whether these are images/ and masks/ rather than classes."""
    names = {name.lower() for name in classes}
    return bool(names & WRAPPERS) and names <= WRAPPERS | ASIDE


def _classes(container: Folder, split: str) -> Iterator[Place]:
    """The folders in it as classes of a split."""
    for folder in container.folders:
        yield Place(folder, clean_class_name(folder.name), split)


def _labelled(container: Folder, split: str) -> tuple[Place, ...]:
    """The classes in a split folder or group, whatever wraps them; none where its photos have no class folders."""
    top = _unwrapped(container)
    places = tuple(_classes(top, split))
    if len(top.folders) == 1:
        name = top.folders[0].name
        if not top.folders[0].folders and (name == container.name or name.lower() in WRAPPERS or split_of(name)):
            return ()
    return places if any(place.folder.found() for place in places) else ()


def _names(places: tuple[Place, ...]) -> set[str]:
    return {place.class_name for place in places}


def _guess(top: Folder) -> Guess:
    if kinds := split_kinds(folder.name for folder in top.folders):
        return _splits(top, kinds)
    if any(split != "train" for folder in top.folders for _, split in _parts(folder)):
        return _splits_inside(top)
    return _groups(top)


def _splits(top: Folder, kinds: dict[str, str]) -> Guess:
    """Folders called like splits, perhaps with others beside them."""
    others = [folder for folder in top.folders if folder.name not in kinds and folder.photos()]
    labelled = [places for f in top.folders if f.name in kinds and (places := _labelled(f, kinds[f.name]))]
    held = {places[0].split for places in labelled}
    if not held and set(kinds.values()) == {"train"}:
        return Guess((), None)  # of trains, perhaps
    if "train" in held:
        several = len(set(kinds.values())) > 1
        places, agree = _agreeing(labelled)
        return Guess(places, agree and (several or not others))
    beside = _labelled(images, "train") if (images := _images(top)) else _beside(others)
    if not others and "val" in held:  # nothing to train on but these
        labelled = [tuple(Place(p.folder, p.class_name, "train" if p.split == "val" else p.split) for p in one)
                    for one in labelled]  # fmt: skip
    places, agree = _agreeing([beside, *labelled] if beside else labelled)
    return Guess(places, bool(beside and labelled) and agree)


def _beside(folders: list[Folder]) -> tuple[Place, ...]:
    return tuple(Place(folder, clean_class_name(folder.name), "train") for folder in folders)


def _agreeing(labelled: list[tuple[Place, ...]]) -> tuple[tuple[Place, ...], bool]:
    """The splits that share a class with training, and whether that is all of them."""
    trained = {place.class_name for places in labelled for place in places if place.split == "train"}
    kept = [places for places in labelled if places[0].split == "train" or _names(places) & trained]
    return tuple(place for places in kept for place in places), len(kept) == len(labelled)


def _splits_inside(top: Folder) -> Guess:
    """cats/train and cats/test: sure where every class is made like that and nothing else is in it."""
    parts = [(folder, part, split) for folder in top.folders for part, split in _parts(folder)]
    if any(part.nested() for _, part, _ in parts):  # a folder for each pupil again, or one data set among other things
        return Guess(tuple(place for _, part, split in parts for place in _labelled(part, split)), False)
    places = [Place(part, clean_class_name(folder.name), split) for folder, part, split in parts]
    learning = {folder.path for folder, _, split in parts if split == "train"}
    rest = [folder for folder in top.folders if folder.found() and folder.path not in learning]
    tidy = not any(folder.files or len(_parts(folder)) < len(folder.folders) for folder in top.folders)
    return Guess((*places, *_beside(rest)), tidy and not rest)


def _parts(folder: Folder) -> list[tuple[Folder, str]]:
    kinds = split_kinds(inside.name for inside in folder.folders)
    return [(inside, kinds[inside.name]) for inside in folder.folders if inside.name in kinds and inside.found()]


def _groups(top: Folder) -> Guess:
    """One folder for each pupil with the same classes in all of them, or images/ beside something unknown."""
    if images := _images(top):
        return Guess(_labelled(images, "train"), False)
    nested = [folder for folder in top.folders if folder.nested() and folder.name.lower() not in ASIDE]
    labelled = [places for folder in nested if (places := _labelled(folder, "train"))]
    number = Counter(name for places in labelled for name in _names(places))
    shared = any(count > 1 for count in number.values())
    return Guess(tuple(place for places in labelled for place in places), False if shared else None)

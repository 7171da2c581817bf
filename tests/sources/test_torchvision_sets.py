"""The data sets of torchvision: its own classes read tiny copies laid out as the archives are. No download."""

import errno
import gzip
import inspect
import io
import struct
import tarfile
import time
import urllib.error
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.base.test_download import closed_port, serving
from tests.sources.test_intake import listing
from tl_engine.base.errors import DataError
from tl_engine.base.settings import Limits, Settings
from tl_engine.data.scan import scan
from tl_engine.sources.intake import load_data
from tl_engine.sources.room import MOST_TAKEN
from tl_engine.sources.samples import SAMPLES, sample_folder
from tl_engine.sources.torchvision_sets import VISION_SETS, VisionSet, drawn, make_vision_set, torchvision_set

ROWS = {row.name: row for row in VISION_SETS}
EACH = 3  # photos of a class in a tiny copy
EVERY_SET = pytest.mark.parametrize("row", VISION_SETS, ids=lambda row: row.name)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def photo(shade: int) -> Image.Image:
    return Image.fromarray(np.full((28, 28), shade % 256, np.uint8))


def jpeg(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    photo(shade).save(path, "JPEG")


# --- tiny copies, as the archives unpack -----------------------------------------------------------------------------


def plant_imagenette(root: Path) -> None:
    for split in ("train", "val"):
        for wnid in ("n01440764", "n03888257"):
            for index in range(EACH):
                jpeg(root / "imagenette2-160" / split / wnid / f"{wnid}_{index}.JPEG", index)


def plant_pets(root: Path) -> None:
    top = root / "oxford-iiit-pet"
    (top / "annotations").mkdir(parents=True)
    names = [(kind, f"{kind}_{index}") for kind in ("Abyssinian", "american_bulldog") for index in range(2 * EACH)]
    for index, (_, name) in enumerate(names):
        jpeg(top / "images" / f"{name}.jpg", index)
    for split, part in (("trainval", names[::2]), ("test", names[1::2])):
        lines = [f"{name} {1 + (kind != 'Abyssinian')} {1 + (kind != 'Abyssinian')} 1" for kind, name in part]
        (top / "annotations" / f"{split}.txt").write_text("\n".join(lines))


def plant_flowers(root: Path) -> None:
    from scipy.io import savemat

    top, number = root / "flowers-102", 4 * EACH
    for index in range(1, number + 1):
        jpeg(top / "jpg" / f"image_{index:05d}.jpg", index)
    savemat(top / "imagelabels.mat", {"labels": [[1 + index % 2 * 76 for index in range(number)]]})
    ids = list(range(1, number + 1))
    savemat(top / "setid.mat", {"trnid": [ids[: 2 * EACH]], "valid": [ids[2 * EACH :]], "tstid": [ids[:2]]})


def plant_eurosat(root: Path) -> None:
    for name in ("AnnualCrop", "SeaLake"):
        for index in range(EACH):
            jpeg(root / "eurosat" / "2750" / name / f"{name}_{index}.jpg", index)


def plant_fashion(root: Path) -> None:
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    labels = bytes([0, 9] * EACH)
    for part in ("train", "t10k"):
        pixels = b"".join(bytes([10 * index]) * 784 for index in range(len(labels)))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, len(labels), 28, 28) + pixels)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels)


PLANTED: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "imagenette": (plant_imagenette, {"tench", "parachute"}),
    "oxford-pets": (plant_pets, {"Abyssinian", "American Bulldog"}),
    "flowers102": (plant_flowers, {"pink primrose", "passion flower"}),
    "eurosat": (plant_eurosat, {"Annual Crop", "Sea Lake"}),
    "fashion-mnist": (plant_fashion, {"T-shirt-top", "Ankle boot"}),
}


def opened_tiny(kind: str, root: Path, options: Mapping[str, Any]) -> Any:
    """torchvision's own class on a planted copy; only Flowers102 checks hashes of what it finds."""
    if kind != "Flowers102":
        return torchvision_set(kind, root, options)
    from torchvision.datasets import Flowers102

    class Unchecked(Flowers102):
        _file_dict = {key: (name, None) for key, (name, _) in Flowers102._file_dict.items()}  # noqa: RUF012

    return Unchecked(root, download=True, **options)


def made_from_planted(row: VisionSet, tmp_path: Path) -> Path:
    """The class folders of a tiny copy, made the way the real set is."""
    PLANTED[row.name][0](tmp_path / "torchvision")
    folder = tmp_path / row.name
    make_vision_set(folder, None, row=replace(row, archives={}), opened=opened_tiny)
    return folder


# --- the table -------------------------------------------------------------------------------------------------------


@EVERY_SET
def test_the_addresses_are_torchvisions_own(row: VisionSet) -> None:
    from torchvision import datasets

    kind = getattr(datasets, row.kind)
    own = {
        "imagenette": lambda: {kind._ARCHIVES["160px"][0]},
        "oxford-pets": lambda: {url for url, _ in kind._RESOURCES},
        "flowers102": lambda: {kind._download_url_prefix + name for name, _ in kind._file_dict.values()},
        "eurosat": lambda: {url for url in row.archives if url in inspect.getsource(kind)},
        "fashion-mnist": lambda: {kind.mirrors[0] + name for name, _ in kind.resources},
    }[row.name]()
    assert own == set(row.archives)


@EVERY_SET
def test_a_set_becomes_a_folder_to_train_on(row: VisionSet, tmp_path: Path) -> None:
    data = scan(made_from_planted(row, tmp_path), Limits())
    splits = {"train": EACH} if row.name == "eurosat" else {"train": EACH, "val": EACH}
    assert data.counts() == dict.fromkeys(sorted(PLANTED[row.name][1]), splits)
    assert data.left_out == ()


@EVERY_SET
def test_a_sets_files_are_the_originals_where_it_has_files(row: VisionSet, tmp_path: Path) -> None:
    folder = made_from_planted(row, tmp_path)
    files = [path for path in folder.rglob("*") if path.is_file()]
    originals = {path.read_bytes() for path in (tmp_path / "torchvision").rglob("*.jp*g") if path.is_file()}
    originals |= {path.read_bytes() for path in (tmp_path / "torchvision").rglob("*.JPEG")}
    if row.name == "fashion-mnist":
        assert {path.suffix for path in files} == {".png"}
        assert sorted(np.asarray(Image.open(path)).max() for path in (folder / "val").rglob("*.png")) == [
            0, 10, 20, 30, 40, 50,
        ]  # fmt: skip
    else:
        assert {path.suffix for path in files} <= {".jpg", ".jpeg"}
        assert {path.read_bytes() for path in files} <= originals


@EVERY_SET
def test_a_set_is_told_with_its_size(row: VisionSet) -> None:
    sample = SAMPLES[row.name]
    assert not sample.offline
    assert sample.images == MOST_TAKEN
    assert sample.present_label == f"{row.title} (2,000 photos)"
    assert sample.label.startswith(f"{row.title} (2,000 photos, ")
    assert sample.label.endswith(" MB download)")


def test_the_label_of_imagenette_reads_well() -> None:
    assert SAMPLES["imagenette"].label == "Imagenette, 10 things (2,000 photos, 99 MB download)"


# --- drawing ---------------------------------------------------------------------------------------------------------


def test_drawing_is_even_over_classes_of_any_size_and_the_same_each_time() -> None:
    labels = [0] * 1000 + [1] * 5 + [2] * 1000
    first = drawn(labels, 100)
    assert Counter(labels[index] for index in first) == {0: 48, 1: 5, 2: 47}
    assert first == drawn(labels, 100)
    assert first == sorted(set(first))
    assert first[:48] != list(range(48))  # not just the first of each


def test_drawing_takes_all_when_there_are_few() -> None:
    assert drawn([1, 0, 1], 100) == [0, 1, 2]


# --- downloads and refusals ------------------------------------------------------------------------------------------


class Fake:
    """Four photos in memory, two classes."""

    classes = ("one", "two")

    def __init__(self, _kind: str = "", _root: Path = Path(), _options: Mapping[str, Any] | None = None) -> None:
        pass

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return photo(index), index % 2


FAKE = replace(ROWS["eurosat"], archives={}, items=lambda _: [(None, index % 2) for index in range(4)])


def refusal(row: VisionSet, opened: Callable[..., Any], settings: Settings) -> str:
    sample = replace(SAMPLES[row.name], make=partial(make_vision_set, row=row, opened=opened))
    with pytest.raises(DataError) as caught:
        sample_folder(sample, settings)
    assert listing(settings.samples) == []
    text = str(caught.value)
    assert text.count(". ") == 0
    assert text.endswith(".")
    assert str(settings.samples) not in text
    return text


def test_archives_are_put_where_torchvision_looks_and_progress_is_over_all_of_them(settings: Settings) -> None:
    content, told = b"x" * 3_000_000, []

    def reply(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def opened(kind: str, root: Path, options: Mapping[str, Any]) -> Fake:
        assert (kind, options) == ("EuroSAT", {})
        assert sorted(path.name for path in (root / "eurosat").iterdir()) == ["a.zip", "b.zip"]
        assert (root / "eurosat" / "b.zip").read_bytes() == content
        return Fake()

    with serving(reply) as url:
        base = url.rpartition("/")[0]
        row = replace(FAKE, archives={f"{base}/a.zip": len(content), f"{base}/b.zip": len(content)})
        sample = replace(SAMPLES["eurosat"], make=partial(make_vision_set, row=row, opened=opened))
        sample_folder(sample, settings, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (2 * len(content), 2 * len(content))
    assert listing(settings.samples)[0] == "eurosat"
    assert [path.name for path in settings.samples.iterdir()] == ["eurosat"]
    assert load_data("eurosat", settings).counts() == {"one": {"train": 2}, "two": {"train": 2}}


def test_without_a_network_a_set_is_one_sentence_within_seconds(settings: Settings) -> None:
    row = replace(FAKE, archives={f"http://127.0.0.1:{closed_port()}/EuroSAT.zip": 1})
    asked: list[str] = []
    started = time.perf_counter()
    text = refusal(row, lambda kind, *_: asked.append(kind), settings)
    assert time.perf_counter() - started < 5
    assert text == (
        "The sample eurosat cannot be had here (127.0.0.1 cannot be reached from here): use the sample digits, which "
        "needs no network, or put the folder eurosat into the data directory (--data-dir)."
    )
    assert asked == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("File not found or corrupted."), "(File not found or corrupted)"),
        (urllib.error.URLError(OSError(errno.ECONNRESET, "Connection reset by peer")), "(Connection reset by peer)"),
        (urllib.error.HTTPError("http://x/y", 403, "Forbidden", {}, io.BytesIO()), "(Forbidden)"),  # type: ignore[arg-type]
        (zipfile.BadZipFile("File is not a zip file"), "(File is not a zip file)"),
        (tarfile.ReadError("unexpected end of data"), "(unexpected end of data)"),
        (gzip.BadGzipFile("Not a gzipped file (b'<h')"), "(Not a gzipped file (b'<h'))"),
        (EOFError(), "(EOFError)"),
        (ValueError("What is wrong. What to do about it."), "(What is wrong)"),
        (ModuleNotFoundError("No module named 'scipy'"), "(No module named 'scipy')"),
        (RuntimeError("Error downloading x:\nTried http://a, got:\n" + "long " * 100), "(Error downloading x: Tried"),
    ],
)
def test_whatever_torchvision_raises_is_one_sentence_and_leaves_nothing(
    error: Exception, reason: str, settings: Settings
) -> None:
    def opened(_kind: str, root: Path, _options: Mapping[str, Any]) -> Any:
        (root / "eurosat").mkdir(parents=True)
        (root / "eurosat" / "half").write_bytes(b"half")
        raise error

    text = refusal(FAKE, opened, settings)
    assert reason in text
    assert "use the sample digits, which needs no network" in text
    assert len(text) < 400


def test_a_disk_that_fills_up_is_told_as_such(settings: Settings) -> None:
    def opened(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

    text = refusal(FAKE, opened, settings)
    assert text == "The sample eurosat could not be written (No space left on device): make room."


def test_a_download_that_would_fill_the_disk_is_refused_before_it_starts(settings: Settings) -> None:
    crowded = replace(settings, limits=replace(settings.limits, free_bytes=10**18))
    assert "for new data: make room first." in refusal(FAKE, Fake, crowded)
    small = replace(SAMPLES["digits"], make=lambda folder, _: folder.mkdir())
    assert sample_folder(small, crowded).is_dir()


@EVERY_SET
def test_a_folder_of_a_sets_name_is_used_as_it_is(row: VisionSet, make_images: Any, settings: Settings) -> None:
    settings.data_dir.mkdir()
    make_images().rename(settings.data_dir / row.name)
    assert load_data(row.name, settings).classes == ("blue", "red")

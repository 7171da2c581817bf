"""Data sets from the hub: names are never paths, rows become an even part in safe folders, refusals are sentences."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from tests.base.test_download import closed_port
from tests.data_hub import Repo, serving_data_sets
from tests.sources.test_intake import listing
from tl_engine.base.errors import DataError
from tl_engine.base.settings import PROJECT, Limits, Settings
from tl_engine.data.scan import scan
from tl_engine.sources.hub import HubName, Opened, hub_folder, within
from tl_engine.sources.hub_photos import write_tables
from tl_engine.sources.hub_rows import SCANNED
from tl_engine.sources.intake import load_data

WHAT = "The data set hf:me/mine"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def photo(number: int, kind: str = "JPEG", side: int = 16) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (side, side, 3)).astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def table(
    labels: Sequence[int | None],
    names: Sequence[str] = ("cat", "dog"),
    pictures: Sequence[Any] | None = None,
    **more: Any,
) -> Any:
    """Rows as the hub streams them. datasets itself wants to decode them."""
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
    columns = {
        "image": pictures or [{"bytes": photo(index), "path": None} for index in range(len(labels))],
        "label": labels,
    }
    for name, (feature, values) in more.items():
        features[name], columns[name] = feature, values
    made = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    return made.to_iterable_dataset().decode()


def nothing_to_read(path: str) -> bytes:
    raise AssertionError(path)


def written(
    tables: Mapping[str, Any],
    folder: Path,
    limits: Limits | None = None,
    read: Callable[[str], bytes] = nothing_to_read,
    told: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Photos by split/class, after writing."""
    write_tables(tables, folder, WHAT, limits or Limits(), read, told)
    return {f"{p.parent.name}/{p.name}": len(list(p.iterdir())) for p in sorted(folder.glob("*/*"))}


def refusal(tables: Mapping[str, Any], folder: Path, limits: Limits | None = None) -> str:
    with pytest.raises(DataError) as caught:
        written(tables, folder, limits)
    text = str(caught.value)
    assert text.startswith(WHAT)
    assert text.endswith(".")
    assert ". " not in text
    return text


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "repo", "config", "folder"),
    [
        ("hf:beans", "beans", None, "hf--beans"),
        ("hf:me/My.beans_2", "me/My.beans_2", None, "hf--me--My.beans_2"),
        ("hf:me/beans@160px", "me/beans", "160px", "hf--me--beans--160px"),
        ("hf:beans@small", "beans", "small", "hf----beans--small"),
    ],
)
def test_a_name_is_taken_apart(data: str, repo: str, config: str | None, folder: str) -> None:
    name = HubName.parse(data)
    assert (name.repo, name.config, name.folder) == (repo, config, folder)
    assert str(name) == data


def test_two_names_never_share_a_folder() -> None:
    names = ("hf:a", "hf:a/b", "hf:a@b", "hf:a/b@c", "hf:b/c", "hf:b@c")
    assert len({HubName.parse(name).folder for name in names}) == len(names)


@pytest.mark.parametrize(
    "name",
    ["", " ", "/", "/etc/passwd", "../x", "a/../b", "a/..", "./a", ".a", "a/b/c", "~", "~/a", "C:\\x", "a\\b", "a--b",
     "a/b--c", "a/b@", "a/b@../c", "a/b@c/d", "a/b@c--d", "@b", "a/", "/a", "a b", "a\0", "a\n", "a/b\n", "ä/ö",
     "hf://datasets/a/b", "https://huggingface.co/datasets/a/b", "a..b", "-a", "a-", "x" * 97, "<b>x</b>", "a:b"],
)  # fmt: skip
def test_what_is_no_name_on_the_hub_is_refused_before_anything_is_asked(name: str, settings: Settings) -> None:
    with pytest.raises(
        DataError, match=r"names no data set on the hub: write hf:OWNER/NAME or hf:OWNER/NAME@CONFIG\.$"
    ):
        load_data(f"hf:{name}", settings)
    assert not settings.samples.exists()


HOME = "hf://datasets/me/mine@0123/"


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        (f"{HOME}train/a.jpg", True),
        (f"zip://train/a.jpg::{HOME}data.zip", True),
        (f"{HOME}train/a..b.jpg", True),
        (f"zip://../a.jpg::{HOME}data.zip", False),
        ("/etc/passwd", False),
        ("train/a.jpg", False),
        ("file:///etc/passwd", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("hf://datasets/me/mine@0124/a.jpg", False),
        ("hf://datasets/you/private@0123/a.jpg", False),
        (f"{HOME}../../../you/private/a.jpg", False),
        (f"file:///etc/passwd::{HOME}data.zip", False),
        (f"zip://a.jpg::file:///home/me/a.zip::{HOME}data.zip", False),
        (f"zip://a.jpg::{HOME}data.zip::file:///home/me/a.zip", False),
    ],
)
def test_only_files_of_the_data_set_itself_are_read(path: str, inside: bool) -> None:
    assert within(path, HOME) == inside


# --- rows ------------------------------------------------------------------------------------------------------------


def test_pictures_are_written_byte_for_byte(tmp_path: Path) -> None:
    kinds = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
    contents = [photo(index, kind) for index, kind in enumerate(kinds * 2)]
    tables = {"train": table([0] * 5 + [1] * 5, pictures=[{"bytes": content, "path": None} for content in contents])}
    assert written(tables, tmp_path) == {"train/cat": 5, "train/dog": 5}
    files = sorted(tmp_path.glob("*/*/*"), key=lambda path: path.name)
    assert [path.read_bytes() for path in files] == contents
    assert [path.name for path in files[:5]] == ["00000.jpg", "00001.png", "00002.gif", "00003.bmp", "00004.webp"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train", "validation", "test"], {"train", "val", "test"}),
        (["training", "valid"], {"train", "val"}),
        (["Train", "TEST", "unlabelled"], {"train", "test"}),
        (["everything"], {"train"}),
        (["test"], {"train"}),
    ],
)
def test_splits_get_our_names(names: list[str], expected: set[str], tmp_path: Path) -> None:
    written({name: table([0, 1] * 4) for name in names}, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert scan(tmp_path, Limits()).classes == ("cat", "dog")


def test_the_part_taken_is_even_although_the_table_is_sorted(tmp_path: Path) -> None:
    tables = {
        "train": table([0] * 100 + [1] * 60 + [2] * 100, ["a", "b", "c"]),
        "test": table([0, 1, 2] * 40, ["a", "b", "c"]),
    }
    found = written(tables, tmp_path, replace(Limits(), images=100))
    assert found == {**{f"train/{c}": 26 for c in "abc"}, **{f"test/{c}": 6 for c in "abc"}}


def test_the_search_for_a_rare_class_ends(tmp_path: Path) -> None:
    looked_at = []

    def rows() -> Iterator[dict[str, Any]]:
        for index in range(3_000):
            looked_at.append(index)
            yield {"image": {"bytes": photo(0), "path": None}, "label": index % 2}

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "never"])})
    long = datasets.IterableDataset.from_generator(rows, features=features)
    assert written({"train": long}, tmp_path, replace(Limits(), images=30)) == {"train/a": 10, "train/b": 10}
    assert len(looked_at) <= SCANNED * 30 + 1


def test_hostile_class_names_stay_inside_the_folder(tmp_path: Path) -> None:
    names = ["../../up", "/etc", "..", ".hidden", "<b>x</b>", "Cat", "cat", "x" * 400]
    written({"train": table([*range(8)] * 2, names)}, tmp_path / "data" / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["set"]
    data = scan(tmp_path / "data" / "set", Limits())
    assert len(data.classes) == 8
    assert len(data.records) == 16


def test_rows_without_a_class_or_a_readable_picture_are_left_out(tmp_path: Path) -> None:
    good = {"bytes": photo(1), "path": None}
    bad: list[Any] = [
        None,
        {"bytes": b"", "path": None},
        {"bytes": b"<html>", "path": None},
        {"bytes": b"\xff\xd8\xff rubbish", "path": None},
        {"bytes": photo(2, side=4), "path": None},  # smaller than any picture taken
        {"bytes": photo(3, "BMP", 100), "path": None},  # larger than the limit
    ]
    unlabelled = [None, -1]
    tables = {"train": table([0, 0, 1, 1, *unlabelled, *[0] * 6], pictures=[good] * 6 + bad)}
    assert written(tables, tmp_path, replace(Limits(), image_bytes=20_000)) == {"train/cat": 2, "train/dog": 2}


def test_a_picture_that_a_row_only_names_is_fetched(tmp_path: Path) -> None:
    stored = {f"{HOME}{index}.jpg": photo(index) for index in range(20)}
    tables = {"train": table([0, 1] * 10, pictures=[{"bytes": None, "path": path} for path in stored])}
    assert written(tables, tmp_path, read=stored.__getitem__) == {"train/cat": 10, "train/dog": 10}
    files = sorted(tmp_path.glob("*/*/*"), key=lambda path: path.name)
    assert [path.read_bytes() for path in files] == list(stored.values())


@pytest.mark.parametrize(
    ("validation", "splits"),
    [
        ([0, 1, 0, 1], {"train", "val"}),
        ([0, 0, 0], {"train"}),  # nothing to check the dogs with: the engine holds out its own
        ([0, 1, 2], {"train", "val"}),  # nothing to learn foxes from: left out
    ],
)
def test_what_training_would_refuse_is_made_right(validation: list[int], splits: set[str], tmp_path: Path) -> None:
    names = ["cat", "dog", "fox"]
    tables = {"train": table([0, 1] * 5, names), "validation": table(validation, names)}
    written(tables, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == splits
    assert scan(tmp_path, Limits()).classes == ("cat", "dog")


def test_other_columns_are_never_looked_at_and_usual_names_win(tmp_path: Path) -> None:
    coarse = (datasets.ClassLabel(names=["animal", "thing"]), [0] * 8)
    fine = (datasets.ClassLabel(names=["owl", "bat"]), [0, 1] * 4)
    made = table([0] * 8, coarse=coarse, fine_label=fine, mask=(datasets.Image(), [None] * 8))
    tables = {"train": made.rename_column("label", "colour")}
    assert written(tables, tmp_path) == {"train/owl": 4, "train/bat": 4}


def test_progress_ends_with_everything(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    limits = replace(Limits(), images=10)
    written({"train": table([0, 1] * 50)}, tmp_path, limits, told=lambda done, total: told.append((done, total)))
    assert told[-1] == (10, 10)
    assert told == sorted(told)


def test_a_data_set_takes_no_more_room_than_an_archive_may(tmp_path: Path) -> None:
    size = len(photo(0))
    found = written({"train": table([0, 1] * 50)}, tmp_path, replace(Limits(), unpacked_bytes=10 * size))
    assert 8 <= sum(found.values()) <= 13


# --- what is no data set to learn from -------------------------------------------------------------------------------


def without(column: str) -> Any:
    return table([0, 1]).remove_columns(column)


@pytest.mark.parametrize("column", ["image", "label"])
def test_what_is_no_image_classification_is_told_with_its_columns(column: str, tmp_path: Path) -> None:
    text = refusal({"train": without(column)}, tmp_path)
    assert "is not for image classification" in text
    assert f"it has {'label' if column == 'image' else 'image'}: name another data set" in text


def test_a_table_of_unknown_columns_is_refused(tmp_path: Path) -> None:
    unknown = datasets.IterableDataset.from_generator(lambda: iter([{"a": 1}]))
    assert "it has none that is known" in refusal({"train": unknown}, tmp_path)


def test_no_split_for_training_is_told_with_what_there_is(tmp_path: Path) -> None:
    text = refusal({"test": table([0, 1]), "<b>\n": table([0, 1])}, tmp_path)
    assert "has no split for training, only test, <b>:" in text


def test_too_many_classes_are_refused_before_a_row_is_read(tmp_path: Path) -> None:
    text = refusal({"train": table([0], [str(i) for i in range(101)])}, tmp_path, replace(Limits(), classes=100))
    assert "has 101 classes, the most taken is 100" in text


def test_pictures_of_no_kind_that_is_read_are_refused(tmp_path: Path) -> None:
    tables = {"train": table([0, 1], pictures=[{"bytes": photo(i, "TIFF"), "path": None} for i in range(2)])}
    assert "has no labelled JPEG, PNG" in refusal(tables, tmp_path)


def test_a_stream_that_breaks_off_is_a_sentence(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"image": {"bytes": photo(0), "path": None}, "label": 0}
        raise ConnectionResetError(104, "Connection reset by peer")

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    text = refusal({"train": datasets.IterableDataset.from_generator(rows, features=features)}, tmp_path)
    assert "(Connection reset by peer): use the sample digits, which needs no network, or try again later." in text


# --- folders ---------------------------------------------------------------------------------------------------------


def opened(tables: Mapping[str, Any]) -> Callable[[HubName, int], Opened]:
    return lambda _name, _most: Opened(tables, nothing_to_read)


def here() -> Any:
    """A hub that takes connections and is asked nothing."""
    return serving_data_sets({})


def test_a_data_set_is_made_once_and_used_as_it_is(settings: Settings) -> None:
    with here() as hub:
        folder = hub_folder("hf:me/mine", settings, opened=opened({"train": table([0, 1] * 4)}), endpoint=hub.url)
        assert hub.asked == []
    assert folder == settings.samples / "hf--me--mine"
    assert listing(settings.samples)[0] == "hf--me--mine"
    assert [path.name for path in settings.samples.iterdir()] == ["hf--me--mine"]
    assert load_data("hf:me/mine", settings).counts() == {"cat": {"train": 4}, "dog": {"train": 4}}


@pytest.mark.parametrize(
    ("labels", "reason"), [([0, 0, 0], "has one class, 'cat'"), ([None, None], "has no labelled JPEG")]
)
def test_what_cannot_be_trained_on_leaves_nothing(labels: list[int | None], reason: str, settings: Settings) -> None:
    with here() as hub, pytest.raises(DataError, match=reason):
        hub_folder("hf:me/mine", settings, opened=opened({"train": table(labels)}), endpoint=hub.url)
    assert listing(settings.samples) == []


def test_an_unreachable_hub_is_one_sentence_within_seconds(settings: Settings) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        hub_folder("hf:me/mine", settings, endpoint=f"http://127.0.0.1:{closed_port()}")
    assert time.perf_counter() - started < 5
    assert str(caught.value) == (
        "The data set hf:me/mine cannot be had here (127.0.0.1 cannot be reached from here): use the sample digits, "
        "which needs no network, or a folder or zip of your own."
    )
    assert listing(settings.samples) == []


def test_a_disk_that_fills_up_is_told_as_such(settings: Settings) -> None:
    def full(_name: HubName, _most: int) -> Opened:
        raise OSError(28, "No space left on device", "/data/x")

    with here() as hub, pytest.raises(DataError) as caught:
        hub_folder("hf:me/mine", settings, opened=full, endpoint=hub.url)
    assert str(caught.value) == "The data set hf:me/mine could not be written (No space left on device): make room."


def test_the_hubs_library_waits_until_it_is_needed() -> None:
    late = ("datasets", "pyarrow", "pandas")
    code = f"import sys, tl_engine.sources.intake; print([m for m in {late} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


# --- the real library against a hub on this machine ------------------------------------------------------------------

SCRIPT = """
import json, sys
from pathlib import Path
from tl_engine.base.errors import DataError
from tl_engine.sources.intake import load_data
from tl_engine.base.settings import Settings

settings, told = Settings(cache=Path(sys.argv[1])), {}
for name in sys.argv[2:]:
    try:
        told[name] = load_data(name, settings).counts()
    except DataError as error:
        told[name] = str(error)
print(json.dumps(told))
"""


def parquet(count: int) -> bytes:
    buffer = io.BytesIO()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [{"bytes": photo(i), "path": None} for i in range(count)], "label": [i % 2 for i in range(count)]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(buffer)
    return buffer.getvalue()


def card(*configs: str) -> bytes:
    lines = [
        f"- config_name: {config}\n  data_files: {files}\n" for config, _, files in (c.partition(" ") for c in configs)
    ]
    return f"---\nconfigs:\n{''.join(lines)}---\n".encode()


@pytest.mark.slow
def test_the_real_library_reads_a_hub_as_nobody_in_particular(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    for index in range(4):
        (secret / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        (secret / "ab"[index % 2] / f"{index}.jpg").write_bytes(photo(100 + index))
    repos = {
        "me/rows": Repo({"data/train-0-of-1.parquet": parquet(10), "data/validation-0-of-1.parquet": parquet(4)}),
        "me/files": Repo({f"train/{'ab'[index % 2]}/{index}.jpg": photo(index) for index in range(6)}),
        "me/two": Repo(
            {"README.md": card("small s.parquet", "big b.parquet"), "s.parquet": parquet(4), "b.parquet": parquet(8)}
        ),
        "me/gated": Repo({"train.parquet": parquet(4)}, gated=True),
        "me/thief": Repo({"README.md": card(f"default {secret}/**"), "a.parquet": parquet(4)}),
        "me/text": Repo({"train.csv": b"a,b\n1,2\n"}),
    }
    names = [f"hf:{repo}" for repo in repos]
    with serving_data_sets(repos) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_the_hosts_own"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "data"), *names, "hf:me/two@big", "hf:me/none", "hf:csv"],
            capture_output=True, text=True, cwd=PROJECT, check=True, env=os.environ | environment, timeout=120,
        )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["hf:me/rows"] == {"cat": {"train": 5, "val": 2}, "dog": {"train": 5, "val": 2}}
    assert told["hf:me/files"] == {"a": {"train": 3}, "b": {"train": 3}}
    assert told["hf:me/two@big"] == {"cat": {"train": 4}, "dog": {"train": 4}}
    assert told["hf:me/two"].startswith("hf:me/two comes in several configurations, small, big: add one to its name")
    for closed in ("hf:me/gated", "hf:me/none", "hf:csv"):
        assert told[closed].startswith(f"{closed} is gated, private or does not exist on the hub")
    assert "cannot be had here (" in told["hf:me/thief"]
    assert "is not for image classification" in told["hf:me/text"]
    kept = {path.read_bytes() for path in (tmp_path / "data").rglob("*.jpg")}
    assert kept == {
        photo(index) for index in range(10)
    }  # byte for byte through the library's own streaming, no secrets
    assert sorted(path.name for path in (tmp_path / "data" / "samples").iterdir()) == [
        "hf--me--files", "hf--me--rows", "hf--me--two--big",
    ]  # fmt: skip
    assert set(hub.tokens) == {""}
    assert [line for line in hub.asked if "gated" in line] == ["GET /api/datasets/me/gated"]

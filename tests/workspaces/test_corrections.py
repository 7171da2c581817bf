"""A data set as corrected, by a file of mends: what `load_data` makes of it, and that a training obeys."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_main import command as command
from tests.conftest import MakeImages
from tests.inspection.test_remedies import contents
from tl_engine.base.errors import DataError
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import LeftOut
from tl_engine.data.mends import DROP, KEEP, RELABEL, Located, Mend
from tl_engine.data.scan import scan
from tl_engine.sources.intake import load_data, locate

Command = Callable[..., tuple[int, list[dict[str, Any]], str]]


def mends_file(folder: Path, *mends: Mend) -> Path:
    path = folder.parent / "corrected.json"
    Located(root=folder, mends=mends).write(path)
    return path


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["kind"] == kind]


# --- load_data -------------------------------------------------------------------------------------------------------


def test_a_file_of_mends_is_its_data_set_as_corrected(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    path = mends_file(
        folder,
        Mend(file="red/1.png", action=DROP, reason="blurred"),
        Mend(file="red/2.png", action=RELABEL, name="blue"),
        Mend(file="red/3.png", action=KEEP),
    )
    before = contents(folder)
    data = load_data(str(path), settings)
    assert data.root == folder
    assert data.counts() == {"blue": {"train": 7}, "red": {"train": 4}}
    assert data.left_out == (LeftOut("red/1.png", "blurred"),)
    assert contents(folder) == before
    assert load_data(str(folder), settings) == scan(folder, settings.limits)  # the folder itself is as it was


def test_without_mends_it_is_the_data_set_itself(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    assert load_data(str(mends_file(folder)), settings) == load_data(str(folder), settings)
    assert locate(str(folder), settings) == Located(root=folder)


def test_a_class_that_lost_its_last_photo_is_said_at_once(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images(each=3)
    path = mends_file(folder, *(Mend(file=f"red/{index}.png", action=DROP) for index in range(2)))
    with pytest.raises(DataError, match="The class 'red' has 1 readable photo in training"):
        load_data(str(path), settings)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"classes": []}', '{"format": 1, "root": "/nowhere/photos", "mends": []}']
)
def test_a_json_file_that_is_none_or_leads_nowhere_is_one_sentence(
    content: str, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "some.json").write_text(content)
    with pytest.raises(DataError) as caught:
        load_data(str(tmp_path / "some.json"), settings)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert "/nowhere" not in text
    assert str(tmp_path) not in text


# --- training --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_dropped_photo_takes_no_part_in_a_training_and_a_relabelled_one_has_its_new_class(
    command: Command, make_images: MakeImages, tmp_path: Path
) -> None:
    folder = make_images()
    path = mends_file(
        folder,
        Mend(file="red/1.png", action=DROP, reason="blurred"),
        Mend(file="red/2.png", action=RELABEL, name="blue"),
    )
    code, events, _ = command("train", "--data", path, "--epochs", 1, "--name", "one")
    assert code == 0
    assert [(e["file"], e["reason"]) for e in of_kind(events, "file_skipped")] == [("red/1.png", "blurred")]
    (read,) = of_kind(events, "data_read")
    assert {name: sum(splits.values()) for name, splits in read["counts"].items()} == {"blue": 7, "red": 4}
    assert of_kind(events, "run_started")[0]["config"]["data"] == str(path)
    used = json.loads((tmp_path / "runs" / "one" / "manifest.json").read_text())["photos"]
    classes = {photo["file"]: photo["class"] for photo in used}
    assert len(classes) == 11
    assert "red/1.png" not in classes
    assert (classes["red/2.png"], classes["red/3.png"]) == ("blue", "red")
    meta = json.loads((tmp_path / "runs" / "one" / "best" / "meta.json").read_text())
    assert sum(meta["figures"]["images"].values()) == 11
    assert str(tmp_path) not in json.dumps(meta)


@pytest.mark.slow
def test_a_classifier_learns_the_corrected_labels(command: Command, make_images: MakeImages) -> None:
    """Every label is turned round: whoever trained on the folders' names would call red red."""
    folder = make_images()
    swapped = [Mend(file=f"{old}/{i}.png", action=RELABEL, name=new)
               for old, new in (("red", "blue"), ("blue", "red")) for i in range(6)]  # fmt: skip
    code, events, _ = command("train", "--data", mends_file(folder, *swapped), "--epochs", 8, "--name", "one")
    assert code == 0
    assert events[-1]["best_val_accuracy"] == 1.0
    _, rows, _ = command("predict", "one", folder / "red" / "0.png", folder / "blue" / "0.png", "--top", 1)
    assert [list(row["probabilities"]) for row in rows] == [["blue"], ["red"]]


def test_corrections_that_leave_nothing_to_learn_from_are_refused_before_a_run_is_made(
    command: Command, make_images: MakeImages, tmp_path: Path
) -> None:
    folder = make_images()
    path = mends_file(folder, *(Mend(file=f"red/{index}.png", action=DROP) for index in range(6)))
    code, events, error = command("train", "--data", path)
    assert (code, events) == (2, [])
    assert "The class 'red' has 0 readable photos" in error
    path.write_text("{")
    code, events, error = command("train", "--data", path)
    assert (code, events) == (2, [])
    assert error == "corrected.json holds no corrections of a data set that can be read: delete it.\n"
    assert not (tmp_path / "runs").exists()

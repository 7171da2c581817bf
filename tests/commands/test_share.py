"""The terminal contract of push, and of predict and explain with a name on the hub."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_understand import Capture, Command, command
from tests.conftest import MakeImages
from tests.hub_server import READER, TOKEN, Hub, serving_models
from tl_engine.base.settings import PROJECT

__all__ = ["command"]  # a fixture
NAME = "tester/mine"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that this process asks, logged in."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving_models() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


def test_what_is_pushed_predicts_and_explains_by_its_name(
    command: Command, make_images: MakeImages, hub: Hub, tmp_path: Path
) -> None:
    folder = make_images()
    command("train", "--data", folder, "--name", "one")
    code, (told,), _ = command("push", "one", NAME)
    assert code == 0
    assert set(told) == {"repo", "url", "commit", "files"}
    assert (told["repo"], told["url"], told["commit"]) == (NAME, f"{hub.url}/{NAME}", hub.repos[NAME].head)
    assert {
        "name": "model.safetensors",
        "bytes": len(hub.repos[NAME].commits[told["commit"]]["model.safetensors"]),
    } in (told["files"])
    assert hub.repos[NAME].private
    code, (row,), said = command("predict", f"hub:{NAME}", folder / "red" / "0.png")
    assert (code, row["verdict"], row["nearest"]) == (0, "ok", [])
    assert next(iter(row["probabilities"])) == "red"
    assert f"hub:{NAME} is commit {told['commit']}" in said
    code, (told,), _ = command("explain", f"hub:{NAME}", folder / "red" / "0.png", "--out", tmp_path / "why.png")
    assert (code, told["class"]) == (0, "red")


def test_one_that_ships_can_be_pushed_and_stay_public(command: Command, hub: Hub) -> None:
    code, (told,), _ = command("push", "cats-or-dogs", NAME, "--public")
    assert code == 0
    assert not hub.repos[NAME].private
    assert "reference.safetensors" not in [file["name"] for file in told["files"]]


def test_refusals_are_a_sentence_and_a_code(command: Command, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("push", "nobody", NAME)[0] == 2
    assert "which others publish" in command("push", "imagenet", NAME)[2]
    hub.put(NAME, {})
    code, rows, said = command("push", "cats-or-dogs", NAME)
    assert (code, rows) == (2, [])
    assert "--update" in said
    hub.breaks = {"commit"}
    code, rows, said = command("push", "cats-or-dogs", "tester/other")
    assert (code, rows) == (1, [])
    assert "nothing is left there" in said
    monkeypatch.setenv("HF_TOKEN", READER)
    assert "may not make" in command("push", "cats-or-dogs", "tester/other")[2]


def test_people_are_told_how_to_use_it(hub: Hub, tmp_path: Path, capsys: Capture) -> None:
    from tl_engine.__main__ import main

    assert main(["push", "ants-or-bees", NAME, "--cache-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"in {hub.url}/{NAME}, commit {hub.repos[NAME].head}" in out
    assert f"predict hub:{NAME} photo.jpg" in out


@pytest.mark.slow
def test_the_snippet_for_timm_on_the_card_runs_as_it_stands(hub: Hub, tmp_path: Path) -> None:
    """A process of its own: huggingface_hub reads its variables when it is imported."""
    from sklearn import datasets

    from tl_engine.__main__ import main

    photo = Path(datasets.__file__).parent / "images" / "flower.jpg"
    assert main(["push", "ants-or-bees", NAME, "--public", "--cache-dir", str(tmp_path / "cache")]) == 0
    card = hub.repos[NAME].commits[hub.repos[NAME].head]["README.md"].decode()
    code = next(part.split("```")[0] for part in card.split("```python\n") if part.startswith("import timm"))
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": ""}
    run: dict[str, Any] = {"capture_output": True, "text": True, "env": environment, "timeout": 120}
    code = code.replace("photo.jpg", str(photo))
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, **run)
    theirs = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    command = [sys.executable, "-m", "tl_engine", "predict", "ants-or-bees", str(photo), "--json"]
    ours = json.loads(subprocess.run(command, check=True, cwd=PROJECT, **run).stdout)["probabilities"]
    assert theirs == pytest.approx(
        ours, abs=5e-3
    )  # flower.jpg has more than 512 pixels a side, which we decode smaller

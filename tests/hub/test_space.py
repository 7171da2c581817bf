"""A Space is this program in one commit, as its hardware needs it; nothing of the host's; each failure a sentence."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hub.conftest import Trained, one_sentence
from tests.hub_server import READER, TOKEN, Hub
from tests.tiles import PHOTOS, tile
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.checkout.program import program_files
from tl_engine.classifiers.predictor import Predictor
from tl_engine.hub import files as files_of_hub
from tl_engine.hub.commit import BrokenOffError
from tl_engine.hub.space import STORED, Deployed, Wanted, deploy, planned
from tl_engine.runs.find import opens_with, shipped
from tl_engine.runs.run import Run
from tl_engine.runs.titles import rename

NAME = "tester/bees"
HERE = f"spaces/{NAME}"


def deployed(settings: Settings, wanted: Wanted | None = None, **more: Any) -> Deployed:
    return deploy(NAME, wanted or Wanted(), settings, **{"token": TOKEN} | more)


def refusal(settings: Settings, wanted: Wanted | None = None, kind: type[EngineError] = HubError, **more: Any) -> str:
    repo = more.pop("repo", NAME)
    with pytest.raises(kind) as caught:
        deploy(repo, wanted or Wanted(), settings, **{"token": TOKEN} | more)
    return one_sentence(caught.value)


def front(readme: str) -> dict[str, Any]:
    """The YAML between dashes."""
    matter: dict[str, Any] = yaml.safe_load(readme.split("---")[1])
    return matter


def test_a_space_is_one_commit_of_this_program(settings: Settings, hub: Hub) -> None:
    told: list[tuple[int, int]] = []
    done = deployed(settings, tell=lambda *numbers: told.append(numbers))
    repo = hub.repos[HERE]
    assert not repo.private
    assert len(repo.commits) == 2  # the empty one that a repository is made with, and ours
    assert (done.repo, done.url, done.commit) == (NAME, f"{hub.url}/spaces/{NAME}", repo.head)
    assert done.files == {name: len(content) for name, content in repo.commits[repo.head].items()}
    assert set(done.files) == {*program_files(), "README.md", "requirements.txt"}
    assert repo.made == {"sdk": "gradio", "hardware": "cpu-basic"}
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] == sum(done.files.values())
    matter = front(done.readme)
    assert matter["app_file"] == "app.py"
    assert matter["python_version"] == "3.12"
    assert matter["suggested_hardware"] == "cpu-basic"
    assert len(matter["short_description"]) <= 60
    assert "hf_oauth" not in matter
    assert "preload_from_hub" not in matter
    assert not list(settings.cache.glob(".*"))


@pytest.mark.slow
def test_what_is_sent_serves(settings: Settings, hub: Hub, tmp_path: Path) -> None:
    """The files alone, in a folder of their own, are a program whose page can be built."""
    done = deployed(settings)
    for name, content in hub.repos[HERE].commits[str(done.commit)].items():
        (tmp_path / "space" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "space" / name).write_bytes(content)
    code = "import app, ui.page; print(len(ui.page.SCRIPTS), app.__file__)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "space", capture_output=True, text=True,
                         env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, check=True)  # fmt: skip
    assert ran.stdout.split()[1] == str(tmp_path / "space" / "app.py")


def test_private_sign_in_and_storage_are_what_was_asked_for(settings: Settings, hub: Hub) -> None:
    wanted = Wanted(hardware="zero-a10g", storage=True, sign_in=True)
    done = deployed(settings, wanted, private=True)
    repo = hub.repos[HERE]
    assert repo.private
    assert repo.made["hardware"] == "zero-a10g"
    assert hub.buckets == [f"{NAME}-data"]
    assert repo.made["volumes"] == [{"type": "bucket", "source": f"{NAME}-data", "mountPath": "/data"}]
    assert {v["key"]: v["value"] for v in repo.made["variables"]} == STORED
    matter = front(done.readme)
    assert (matter["hf_oauth"], matter["hf_oauth_scopes"]) == (True, ["contribute-repos"])
    assert "torch==2.11.0" in done.requirements.splitlines()
    assert "gradio[oauth]>=6.31,<7" in done.requirements.splitlines()


def test_the_variables_of_storage_are_those_that_settings_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STORED.items():
        monkeypatch.setenv(name, value)
    settings = Settings.make()
    assert [str(settings.runs), str(settings.uploads), str(settings.cache)] == list(STORED.values())


@pytest.mark.slow
def test_a_run_goes_along_as_a_classifier_that_the_space_opens_with(trained: Trained, hub: Hub, tmp_path: Path) -> None:
    done = deployed(trained.settings, Wanted(model=trained.run))
    files = hub.repos[HERE].commits[str(done.commit)]
    own = {name: content for name, content in files.items() if name.startswith("weights/demo/flower-or-temple/")}
    assert {name.rpartition("/")[2] for name in own} == {
        "meta.json", "model.safetensors", "reference.safetensors", "card.md"}  # fmt: skip
    words = [b"private", b"secret", b".jpg", str(trained.photos).encode(), trained.run.name.encode()]
    assert [(name, word) for name, content in own.items() for word in words if word in content] == []
    assert front(done.readme)["models"] == ["timm/tf_efficientnet_lite0.in1k"]
    for name, content in files.items():
        if name.startswith("weights/demo/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
    there = Settings(demo=tmp_path / "weights" / "demo", cache=tmp_path / "cache", runs=tmp_path / "runs")
    assert "flower-or-temple" in shipped(there)
    assert opens_with(there) == "flower-or-temple"
    before = Predictor.load(trained.run.best, trained.settings)
    after = Predictor.load(there.demo / "flower-or-temple", there)
    for label in PHOTOS:
        first, second = before.answer(tile(label, 20)), after.answer(tile(label, 20))
        assert second.probabilities == pytest.approx(first.probabilities, abs=1e-5)
        assert second.verdict == first.verdict
        assert {n.file for n in second.nearest} == {""}


def test_of_a_classifier_that_ships_only_its_name_goes_along(settings: Settings) -> None:
    files = planned(NAME, Wanted(model=Run(settings.demo / "ants-or-bees")), settings).files
    assert files["weights/demo/opens-with.txt"] == len("ants-or-bees\n")
    assert set(files) == {*program_files(), "README.md", "requirements.txt", "weights/demo/opens-with.txt"}


def test_without_room_nothing_is_made(trained: Trained, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_of_hub, "write_files", full)
    assert "the disk is full" in refusal(trained.settings, Wanted(model=trained.run))
    assert hub.repos == {}


def test_a_title_that_somebody_gave_names_it(trained: Trained, tmp_path: Path) -> None:
    run = trained.copied(tmp_path)
    rename(run, "../Our <Schoolyard> 2026")
    files = planned(NAME, Wanted(model=run), trained.settings).files
    assert "weights/demo/our--schoolyard--2026/meta.json" in files
    rename(run, "Cats or dogs")
    assert "weights/demo/cats-or-dogs-2/meta.json" in planned(NAME, Wanted(model=run), trained.settings).files


def test_an_installation_opens_with_everyday_things_unless_it_was_told(settings: Settings, tmp_path: Path) -> None:
    assert opens_with(settings) == "imagenet"
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "opens-with.txt").write_text("../../etc\n")
    assert opens_with(Settings(demo=tmp_path / "demo")) == "imagenet"


# --- updates ---------------------------------------------------------------------------------------------------------


def test_a_space_that_is_there_is_left_alone_unless_it_is_to_be_updated(settings: Settings, hub: Hub) -> None:
    first = hub.put(HERE, {"mine.txt": b"mine", "ui/gone.py": b"old", "weights/demo/old/meta.json": b"{}"})
    hub.repos[HERE].made["hardware"] = "t4-small"
    assert "--update" in refusal(settings)
    assert hub.repos[HERE].head == first
    done = deployed(settings, update=True)
    assert set(hub.repos[HERE].commits[str(done.commit)]) == {"mine.txt", *done.files}
    assert (done.hardware, hub.repos[HERE].made["hardware"]) == ("t4-small", "t4-small")
    assert len(hub.repos[HERE].commits) == 2


def test_an_update_sets_hardware_and_storage_where_they_are_named(settings: Settings, hub: Hub) -> None:
    hub.put(HERE, {})
    deployed(settings, Wanted(hardware="t4-small", storage=True), update=True)
    made = hub.repos[HERE].made
    assert made["hardware"] == "t4-small"
    assert made["volumes"][0]["mountPath"] == "/data"
    assert {v["key"]: v["value"] for v in made["variables"]} == STORED


def test_what_could_not_be_set_is_told(settings: Settings, hub: Hub) -> None:
    hub.put(HERE, {})
    hub.breaks = {"setting"}
    wanted = Wanted(hardware="t4-small")
    assert f"The files are in {NAME}" in refusal(settings, wanted, BrokenOffError, update=True)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_refusals_before_anything_is_made(settings: Settings, hub: Hub) -> None:
    assert "write USER/NAME" in refusal(settings, repo="bees")
    assert "There is no token" in refusal(settings, token=None)
    assert "zero-a10g" in refusal(settings, Wanted(hardware="h900"))
    assert hub.asked == []
    assert "does not know this token" in refusal(settings, token="hf_of_nobody")
    assert "a --hardware that its account may use" in refusal(settings, token=READER)
    hub.breaks = {"pay"}
    assert "has to pay for that" in refusal(settings, Wanted(hardware="t4-small"))
    assert hub.repos == {}


@pytest.mark.parametrize("stage", ["lfs", "commit", "cut"])
def test_what_breaks_half_way_leaves_nothing(settings: Settings, hub: Hub, stage: str) -> None:
    hub.breaks = {stage}
    assert "nothing is left there" in refusal(settings, Wanted(storage=True), BrokenOffError)
    assert hub.repos == {}
    assert hub.buckets == []


def test_a_volume_that_was_there_stays_when_the_space_cannot_be_made(settings: Settings, hub: Hub) -> None:
    hub.buckets = [f"{NAME}-data"]
    hub.breaks = {"commit"}
    refusal(settings, Wanted(storage=True), BrokenOffError)
    assert hub.buckets == [f"{NAME}-data"]


def test_without_storage_to_be_had_nothing_is_made(settings: Settings, hub: Hub) -> None:
    hub.breaks = {"bucket"}
    assert "leave out --storage" in refusal(settings, Wanted(storage=True))
    assert hub.repos == {}


# --- the terminal ----------------------------------------------------------------------------------------------------


def command(*arguments: str, cache: Path, token: str = "") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "HF_TOKEN"} | {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"}
    return subprocess.run(
        [sys.executable, "-m", "tl_engine", "deploy", *arguments, "--cache-dir", str(cache)], cwd=PROJECT,
        capture_output=True, text=True, check=False, env=environment | ({"HF_TOKEN": token} if token else {}),
    )  # fmt: skip


@pytest.mark.slow
def test_a_dry_run_shows_all_and_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    done = command(NAME, "--hardware", "zero-a10g", "--dry-run", "--json", cache=tmp_path)
    told = json.loads(done.stdout)
    assert set(told) == {"repo", "url", "commit", "hardware", "files", "readme", "requirements"}
    assert (told["commit"], told["hardware"]) == (None, "zero-a10g")
    assert {"name": "app.py", "bytes": (PROJECT / "app.py").stat().st_size} in told["files"]
    assert hub.asked == []
    words = command(NAME, "--dry-run", cache=tmp_path).stdout
    assert "sdk_version: " in words
    assert words.rstrip().endswith("nothing was sent.")


@pytest.mark.slow
def test_the_command_deploys(hub: Hub, tmp_path: Path) -> None:
    done = command(NAME, "--json", cache=tmp_path, token=TOKEN)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["commit"] == hub.repos[HERE].head
    assert TOKEN not in done.stdout + done.stderr
    again = command(NAME, cache=tmp_path, token=TOKEN)
    assert (again.returncode, again.stdout) == (2, "")
    assert "--update" in again.stderr

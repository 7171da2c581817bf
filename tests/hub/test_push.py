"""A push is whole or told: one commit, private, nothing of the photos; each way to fail is one sentence."""

import errno
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.base.test_download import closed_port
from tests.hub.conftest import Trained, one_sentence
from tests.hub_server import READER, TOKEN, Hub
from tests.tiles import PHOTOS, tile
from tl_engine.base.errors import EngineError, HubError
from tl_engine.classifiers.predictor import Predictor
from tl_engine.classifiers.reference import Reference
from tl_engine.hub import push as pushing
from tl_engine.hub.commit import BrokenOffError
from tl_engine.hub.files import OURS, write_files
from tl_engine.hub.push import Pushed, push
from tl_engine.runs.meta import META
from tl_engine.runs.run import Run

NAME = "tester/temples"


def pushed(trained: Trained, **more: Any) -> Pushed:
    return push(trained.run, NAME, trained.settings, **{"token": TOKEN} | more)


def refusal(trained: Trained, kind: type[EngineError] = HubError, **more: Any) -> str:
    """The sentence; nothing else of it, and no token."""
    repo = more.pop("repo", NAME)
    with pytest.raises(kind) as caught:
        push(more.pop("run", trained.run), repo, trained.settings, **{"token": TOKEN} | more)
    return one_sentence(caught.value)


@pytest.fixture(scope="module")
def files(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a push would send."""
    folder = tmp_path_factory.mktemp("files")
    write_files(trained.run, NAME, folder, trained.settings, None)
    return folder


def test_a_push_is_one_commit_of_all_files_and_private(trained: Trained, hub: Hub) -> None:
    told: list[tuple[int, int]] = []
    done = pushed(trained, tell=lambda *numbers: told.append(numbers))
    repo = hub.repos[NAME]
    assert repo.private
    assert len(repo.commits) == 2  # the empty one that a repository is made with, and ours
    assert (done.repo, done.url, done.commit) == (NAME, f"{hub.url}/{NAME}", repo.head)
    assert dict(done.files) == {name: len(content) for name, content in repo.commits[repo.head].items()}
    assert set(done.files) == set(OURS)
    assert told == [(0, sum(done.files.values())), (sum(done.files.values()),) * 2]
    assert [line for line in hub.asked if "validate" not in line][:2] == [
        "GET /api/whoami-v2",
        "POST /api/repos/create",
    ]
    assert not list(trained.settings.cache.glob(".*"))


def test_public_is_only_what_is_said_to_be(trained: Trained, hub: Hub) -> None:
    pushed(trained, private=False)
    assert not hub.repos[NAME].private


def test_nothing_of_the_photos_goes_along(files: Path, trained: Trained) -> None:
    words = [b"private", b"secret", b".jpg", str(trained.photos).encode(), trained.run.name.encode()]
    for path in files.iterdir():
        content = path.read_bytes()
        assert [word for word in words if word in content.replace(b"photo.jpg", b"")] == [], path.name
    reference = Reference.load(files)
    original = Reference.load(trained.run.report)
    assert reference is not None
    assert original is not None
    assert set(reference.files) == {""}
    assert np.array_equal(reference.rows, original.rows)
    assert (files / "labels.txt").read_text() == "flower\ntemple\n"
    assert "data" not in json.loads((files / META).read_text())["config"]


@pytest.mark.slow
def test_timm_itself_gives_the_apps_answers(files: Path, trained: Trained) -> None:
    import timm

    predictor = Predictor.load(trained.run.best, trained.settings)
    model = timm.create_model(f"local-dir:{files}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    pictures = [tile(label, number) for label in PHOTOS for number in range(0, 24, 2)]
    with torch.inference_mode():
        logits = model(torch.stack([transform(picture) for picture in pictures]))
    theirs = (logits / predictor.temperature).softmax(1).numpy()
    ours = predictor(pictures)
    assert np.abs(theirs - ours).max() < 1e-5
    assert model.pretrained_cfg["label_names"] == list(predictor.classes)


def test_the_files_are_a_classifier_of_this_program_without_the_backbones_own_weights(
    files: Path, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, below in ((META, "best"), ("model.safetensors", "best"), ("reference.safetensors", "report")):
        (tmp_path / below).mkdir(exist_ok=True)
        shutil.copyfile(files / name, tmp_path / below / name)
    before = Predictor.load(trained.run.best, trained.settings)

    def none_here(*_: object) -> None:
        raise AssertionError("the weights of the backbone were asked for")

    monkeypatch.setattr("tl_engine.classifiers.predictor.load_weights", none_here)
    after = Predictor.load(tmp_path / "best", trained.settings)
    assert after.frozen is None
    for label in PHOTOS:
        first, second = before.answer(tile(label, 20)), after.answer(tile(label, 20))
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-5)
        assert first.verdict == second.verdict
        assert [n.class_name for n in second.nearest] == [n.class_name for n in first.nearest]
        assert {n.file for n in second.nearest} == {""}


def test_another_backbone_goes_as_it_is(trained: Trained, tmp_path: Path) -> None:
    from tl_engine.base.progress import watched
    from tl_engine.classifiers.classifier import Classifier
    from tl_engine.networks.backbone import prepare_backbone
    from tl_engine.runs.config import TrainConfig
    from tl_engine.runs.meta import Figures, Learned

    preparing = prepare_backbone("squeezenet1_1", trained.settings, pretrained=False)
    classifier = Classifier.on(watched(preparing, lambda _event: None), ("a", "b"))
    run = Run(tmp_path / "squeezed")
    figures = Figures(epoch=1, val_accuracy=0.5, val_loss=1.0)
    classifier.save(run.best, Learned.ALL, TrainConfig(data="x", strategy="from-scratch"), figures)
    (tmp_path / "files").mkdir()
    write_files(run, NAME, tmp_path / "files", trained.settings, None)
    sent = load_file(tmp_path / "files" / "model.safetensors")
    assert {name: t.shape for name, t in sent.items()} == {n: t.shape for n, t in classifier.model.state_dict().items()}
    config = json.loads((tmp_path / "files" / "config.json").read_text())
    assert (config["library_name"], config["architecture"]) == ("tl_engine", "squeezenet1_1")
    assert "timm" not in (tmp_path / "files" / "README.md").read_text().split("## How to use it")[1]


# --- refusals: before anything is made -------------------------------------------------------------------------------


def test_without_a_token_nothing_is_asked(trained: Trained, hub: Hub) -> None:
    for token in (None, ""):
        assert "There is no token for the hub" in refusal(trained, token=token)
    assert "blanks" in refusal(trained, token="hf_a token\n")
    assert hub.asked == []


@pytest.mark.parametrize(
    "repo",
    ["", "temples", "a/b/c", "../x", "a/..", "/etc/passwd", "a b/c", "a/b--c", "<b>/x", "x" * 60 + "/" + "y" * 60],
)
def test_a_bad_name_is_refused_before_anything_is_asked(trained: Trained, hub: Hub, repo: str) -> None:
    assert "write USER/NAME" in refusal(trained, repo=repo)
    assert hub.asked == []


def test_a_token_that_the_hub_does_not_know(trained: Trained, hub: Hub) -> None:
    assert "does not know this token" in refusal(trained, token="hf_of_nobody")
    assert hub.repos == {}


@pytest.mark.parametrize(("token", "repo"), [(READER, NAME), (TOKEN, "somebody/else")])
def test_a_token_that_may_not_write_there(trained: Trained, hub: Hub, token: str, repo: str) -> None:
    assert "may not make" in refusal(trained, token=token, repo=repo)
    assert hub.repos == {}


def test_without_a_network_it_ends_within_seconds(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    started = time.monotonic()
    assert "cannot be reached from here" in refusal(trained)
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_a_name_that_is_taken_stays_as_it_is_unless_it_is_to_be_updated(trained: Trained, hub: Hub) -> None:
    first = hub.put(NAME, {"mine.txt": b"mine", "reference.safetensors": b"old"}, private=True)
    assert "--update" in refusal(trained)
    assert hub.repos[NAME].head == first
    done = pushed(trained, update=True)
    after = hub.repos[NAME].commits[done.commit]
    assert set(after) == {"mine.txt", *OURS}
    assert len(hub.repos[NAME].commits) == 2


@pytest.mark.slow
def test_an_update_removes_what_an_earlier_push_left(trained: Trained, hub: Hub, tmp_path: Path) -> None:
    pushed(trained)
    run = trained.copied(tmp_path)
    shutil.rmtree(run.report)
    done = push(run, NAME, trained.settings, token=TOKEN, update=True)
    assert set(hub.repos[NAME].commits[done.commit]) == set(OURS) - {"reference.safetensors"}


def test_a_full_disk_while_preparing(trained: Trained, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pushing, "write_files", full)
    assert "the disk is full" in refusal(trained)
    assert hub.repos == {}
    assert not list(trained.settings.cache.glob(".*"))


def test_a_run_without_a_classifier(trained: Trained, hub: Hub, tmp_path: Path) -> None:
    assert "holds no classifier" in refusal(trained, run=Run(tmp_path))
    assert hub.asked == []


# --- refusals: half way ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["lfs", "commit", "cut"])
def test_a_push_that_breaks_leaves_nothing_of_what_it_made(trained: Trained, hub: Hub, stage: str) -> None:
    hub.breaks = {stage}
    assert "nothing is left there" in refusal(trained, BrokenOffError)
    assert hub.repos == {}


@pytest.mark.parametrize("stage", ["lfs", "commit", "cut"])
def test_an_update_that_breaks_changes_and_deletes_nothing(trained: Trained, hub: Hub, stage: str) -> None:
    first = hub.put(NAME, {"mine.txt": b"mine"})
    hub.breaks = {stage}
    assert "nothing was changed there" in refusal(trained, BrokenOffError, update=True)
    assert list(hub.repos[NAME].commits) == [first]


def test_what_cannot_be_deleted_again_is_told(trained: Trained, hub: Hub) -> None:
    hub.breaks = {"commit", "delete"}
    assert f"an empty repository {NAME} is left there" in refusal(trained, BrokenOffError)
    assert hub.repos[NAME].private


def test_the_token_is_in_no_file_and_in_no_log(
    trained: Trained, hub: Hub, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed(trained)
    for path in (p for p in [*trained.settings.cache.rglob("*"), *trained.run.folder.rglob("*")] if p.is_file()):
        assert TOKEN.encode() not in path.read_bytes()
    assert all(TOKEN.encode() not in content for content in hub.repos[NAME].commits[hub.repos[NAME].head].values())
    captured = capsys.readouterr()
    assert TOKEN not in caplog.text + captured.out + captured.err

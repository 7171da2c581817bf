"""Classifiers by their name on the hub: one commit, checked before anything is built, there again without a network."""

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from tests.base.test_download import closed_port
from tests.conftest import own_settings
from tests.hub.conftest import Trained
from tests.hub_server import TOKEN, Hub
from tests.tiles import PHOTOS, tile
from tl_engine import find
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.events import Event, Note, Progress
from tl_engine.base.settings import SHARED, Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.hub.classifiers import HubClassifier, classifier_folder, page_classifier, take_for_visitor
from tl_engine.hub.files import REFERENCE, write_files
from tl_engine.runs.meta import META
from tl_engine.runs.saved_classifier import TENSORS
from tl_engine.workspaces.classifier_pool import ClassifierPool, taken
from tl_engine.workspaces.workspace import Workspace, new_token

NAME = "hub:tester/temples"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a push sends."""
    folder = tmp_path_factory.mktemp("files")
    write_files(trained.run, "tester/temples", folder, trained.settings, None)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def _nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))


def refusal(name: str, settings: Settings, take: Callable[..., Any] = classifier_folder) -> str:
    with pytest.raises(EngineError) as caught:
        take(name, settings, lambda _event: None)
    text = str(caught.value)
    assert text.endswith(".")
    assert ". " not in text.replace(". Put", "")
    assert not [path for path in (settings.cache / "hub").rglob("*") if path.is_file()]
    return text


def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")


def test_what_was_pushed_answers_as_before(files: Files, hub: Hub, settings: Settings, trained: Trained) -> None:
    commit = hub.put("tester/temples", files)
    told: list[Event] = []
    folder = classifier_folder(NAME, settings, told.append)
    assert folder == settings.cache / "hub" / "tester--temples" / commit / "best"
    assert f"{NAME} is commit {commit}" in [event.message for event in told if isinstance(event, Note)]
    assert {event.stage for event in told if isinstance(event, Progress)} == {f"downloading {NAME}"}
    before, after = Predictor.load(trained.run.best, trained.settings), Predictor.load(folder, settings)
    for label in PHOTOS:
        ours, theirs = before.answer(tile(label, 21)), after.answer(tile(label, 21))
        assert theirs.probabilities == pytest.approx(ours.probabilities, abs=1e-5)
        assert (theirs.verdict, {n.file for n in theirs.nearest}) == (ours.verdict, {""})
    assert find(NAME, settings=settings) == folder
    assert [line for line in hub.asked if "resolve" in line] == [
        f"GET /tester/temples/resolve/{commit}/{name}" for name in (META, TENSORS, REFERENCE)
    ]


def test_a_head_alone_stands_on_the_weights_that_are_here(hub: Hub, settings: Settings) -> None:
    folder = settings.demo / "cats-or-dogs"
    hub.put("tester/cats", {name: (folder / name).read_bytes() for name in (META, TENSORS)})
    assert Predictor.load(find("hub:tester/cats", settings=settings), settings).classes == ("cats", "dogs")


def test_it_is_there_again_without_a_network(
    files: Files, hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.put("tester/temples", files)
    folder = classifier_folder(NAME, settings)
    without_network(monkeypatch)
    told: list[Event] = []
    assert classifier_folder(NAME, settings, told.append) == folder
    assert isinstance(told[0], Note)
    assert commit in told[0].message
    assert classifier_folder(f"{NAME}@{commit}", settings) == folder
    assert page_classifier(NAME, settings) == folder
    with pytest.raises(HubError, match="cannot be reached from here"):
        classifier_folder("hub:tester/other", settings)


def test_a_newer_commit_is_taken_and_an_older_one_stays_to_be_named(files: Files, hub: Hub, settings: Settings) -> None:
    first = hub.put("tester/temples", files)
    before = classifier_folder(NAME, settings)
    second = hub.put("tester/temples", files | {"more.txt": b"more"})
    after = classifier_folder(NAME, settings)
    assert before is not None
    assert after is not None
    assert (before.parent.name, after.parent.name) == (first, second)
    assert classifier_folder(f"{NAME}@{first}", settings) == before


def test_a_reference_tells_no_names_whatever_it_brought(
    files: Files, hub: Hub, settings: Settings, trained: Trained
) -> None:
    named = (trained.run.report / REFERENCE).read_bytes()
    hub.put("tester/temples", files | {REFERENCE: named})
    folder = classifier_folder(NAME, settings)
    assert folder is not None
    assert b".jpg" not in (folder.parent / "report" / REFERENCE).read_bytes()


@pytest.mark.slow
def test_a_reference_that_does_not_fit_is_left_out(files: Files, hub: Hub, settings: Settings) -> None:
    good = load(files[REFERENCE])
    header = {"files": json.dumps([""] * len(good["rows"]))}
    forged = [
        save(good | {"rows": good["rows"][:, :5].contiguous()}, header),
        save(good | {"labels": good["labels"] - 1}, header),
        save(good | {"labels": good["labels"] + 1}, header),
        save(good | {"own": torch.full_like(good["own"], torch.nan)}, header),
        save(good | {"sure": good["sure"][None]}, header),
        b"damaged",
    ]
    for number, content in enumerate(forged):
        hub.put(f"tester/forged{number}", files | {REFERENCE: content})
        folder = classifier_folder(f"hub:tester/forged{number}", settings)
        assert folder is not None
        assert not (folder.parent / "report" / REFERENCE).exists()
    assert Predictor.load(folder, settings).reference is None


# --- what is not taken ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["", "temples", "../x/y", "a/b/c", "a/..", "/etc/passwd", "a/b@../c", "a/b@c/d", "a/b@", "a--b/c", "a/b\n", "~/a",
     "<b>/x", "a b/c", "x" * 97 + "/y", "https://x/y", "a/b:c"],
)  # fmt: skip
def test_what_is_no_name_is_refused_before_anything_is_asked(name: str, hub: Hub, settings: Settings) -> None:
    for take in (classifier_folder, take_for_visitor):
        assert "names no classifier on the hub" in refusal(f"hub:{name}", settings, take)
    assert hub.asked == []


def test_a_name_never_leads_elsewhere(settings: Settings) -> None:
    names = ("hub:a/b", "hub:a/b@c", "hub:b/a", "hub:a.b/c", "hub:a_b/c")
    places = [HubClassifier.parse(name).place(settings) for name in names]
    assert {place.parent for place in places} == {settings.cache / "hub"}
    assert len(set(places)) == 4  # a revision is a commit within


def forged(files: Files, **changes: Any) -> Files:
    return files | {META: json.dumps(json.loads(files[META]) | changes).encode()}


def header(tensors: dict[str, Any]) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


FORGED: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a plain timm repository": (lambda f: {n: f[n] for n in (TENSORS, "config.json")}, "has no meta.json"),
    "no tensors": (lambda f: {META: f[META]}, "has no model.safetensors"),
    "a million classes": (lambda f: forged(f, classes=[str(n) for n in range(100_000)]), "100,000 classes"),
    "no class": (lambda f: forged(f, classes=[]), "0 classes"),
    "twice the same": (lambda f: forged(f, classes=["a", "a"]), "one of them twice"),
    "a name of lines": (lambda f: forged(f, classes=["a", "b\nc"]), "that are no names"),
    "a long name": (lambda f: forged(f, classes=["a", "b" * 5000]), "that are no names"),
    "one class more": (lambda f: forged(f, classes=["a", "b", "c"]), "is not that of efficientnet_lite0"),
    "an unknown network": (lambda f: forged(f, architecture="mine"), "Unknown architecture"),
    "a network that is no text": (lambda f: forged(f, architecture=["x"]), "Unknown architecture"),
    "somebody's file": (lambda f: forged(f, architecture="timm:local-dir:/etc"), "Unknown architecture"),
    "no such timm model": (lambda f: forged(f, architecture="timm:nobody"), "cannot be built here"),
    "another network": (lambda f: forged(f, architecture="resnet18"), "is not that of resnet18"),
    "a huge network": (lambda f: forged(f, architecture="vit_b_16"), "is not that of vit_b_16"),
    "NaN for a temperature": (lambda f: forged(f, temperature=float("nan")), "a temperature above 0"),
    "another format": (lambda f: forged(f, format=99), "not of format"),
    "a head it has not": (lambda f: forged(f, learned="head"), "is not that of"),
    "learnt by nobody": (lambda f: forged(f, learned="nobody"), "lacks what learned"),
    "a hash that is none": (lambda f: forged(f, backbone={"weights": "x", "hash": [1]}), "a damaged meta.json"),
    "no crop": (lambda f: forged(f, preprocessing={"resize": 5, "crop": 9, "mean": [1], "std": [0]}), "no sense"),
    "no preprocessing": (lambda f: forged(f, preprocessing=None), "no sense"),
    "deep json": (lambda f: f | {META: b"[" * 100_000}, "meta.json"),
    "no json": (lambda f: f | {META: b"\xff\xfe"}, "damaged"),
    "damaged tensors": (lambda f: f | {TENSORS: f[TENSORS][:-9]}, "is damaged"),
    "a pickle": (lambda f: f | {TENSORS: b"\x80\x04cos\nsystem\n"}, "is damaged"),
    "a header without an end": (lambda f: f | {TENSORS: b"\xff" * 8 + b"{"}, "is damaged"),
    "tensors that are not there": (
        lambda f: f | {TENSORS: header({"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}})},
        "is damaged",
    ),
    "not all of the tensors": (
        lambda f: f | {TENSORS: save({"classifier.bias": torch.zeros(2), "classifier.weight": torch.zeros(2, 1280)})},
        "is not that of",
    ),
    "an empty file": (lambda f: f | {TENSORS: b""}, "and at most"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORGED)
def test_what_is_forged_is_refused_before_it_is_built(
    kind: str, files: Files, hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(*_: object) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr("tl_engine.classifiers.predictor.network_of", built)
    make, words = FORGED[kind]
    hub.put("tester/forged", make(files))
    assert words in refusal("hub:tester/forged", settings)


def test_numbers_that_are_none_are_refused_when_loaded(files: Files, hub: Hub, settings: Settings) -> None:
    tensors = load(files[TENSORS])
    hub.put("tester/nan", files | {TENSORS: save(tensors | {"classifier.bias": torch.full((2,), torch.nan)})})
    with pytest.raises(EngineError, match="NaN or infinite"):
        Predictor.load(find("hub:tester/nan", settings=settings), settings)


def test_what_is_larger_than_the_limit_is_not_fetched(files: Files, hub: Hub, settings: Settings) -> None:
    hub.put("tester/temples", files)
    small = replace(settings, limits=replace(settings.limits, classifier_bytes=5_000_000))
    assert "at most 5.0 MB are taken" in refusal(NAME, small)
    hub.sizes = {META: 10**9}
    assert "at most 2.0 MB are taken" in refusal(NAME, settings)
    assert not [line for line in hub.asked if "resolve" in line]


def test_a_hub_that_lies_about_a_size_is_not_believed(files: Files, hub: Hub, settings: Settings) -> None:
    hub.put("tester/temples", files)
    hub.sizes = {TENSORS: 1_000}
    assert "larger than 1,000 bytes" in refusal(NAME, settings)


def test_a_disk_with_less_than_its_floor_left_takes_nothing(files: Files, hub: Hub, settings: Settings) -> None:
    hub.put("tester/temples", files)
    full = replace(settings, limits=replace(settings.limits, free_bytes=10**15))
    assert "make room first" in refusal(NAME, full)


def test_what_is_not_there_says_so(files: Files, hub: Hub, settings: Settings) -> None:
    hub.put("tester/temples", files)
    for name in ("hub:tester/nothing", f"{NAME}@nothing"):
        assert "is not on the hub, or not open to everybody" in refusal(name, settings)


# --- what is private, and visitors ------------------------------------------------------------------------------------


def test_what_the_hosts_token_opened_stays_closed_to_visitors(
    files: Files, hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.put("tester/temples", files, private=True)
    assert "not open to everybody" in refusal(NAME, settings)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert classifier_folder(NAME, settings) is not None
    for name in (NAME, f"{NAME}@{commit}"):
        with pytest.raises(HubError, match="not open to everybody"):
            take_for_visitor(name, settings, lambda _event: None)
        with pytest.raises(HubError, match="is not here yet"):
            page_classifier(name, settings)
    known = (settings.cache / "hub" / "tester--temples" / "known.json").read_text()
    assert TOKEN not in known
    assert '"open": true' not in known


def test_a_visitor_takes_one_and_has_it_listed(files: Files, hub: Hub, settings: Settings) -> None:
    hub.put("tester/temples", files)
    pool, visitor, other = ClassifierPool(settings), Workspace.of(settings, None), Workspace.of(settings, None)
    with pytest.raises(HubError, match="is not here yet"):
        pool.get(NAME)
    told: list[Event] = []
    pool.take(visitor, NAME, told.append)
    assert taken(visitor) == [NAME]
    assert taken(other) == []
    assert pool.get(NAME).predictor.classes == ("flower", "temple")
    asked = len(hub.asked)
    pool.take(visitor, NAME, told.append)
    pool.take(visitor, "imagenet", told.append)
    assert len(hub.asked) == asked


@pytest.mark.slow
def test_a_visitor_of_a_shared_page_has_a_few_and_the_oldest_goes(files: Files, hub: Hub, tmp_path: Path) -> None:
    settings = replace(own_settings(tmp_path), limits=replace(SHARED, free_bytes=0))
    pool, visitor = ClassifierPool(settings), Workspace(settings, new_token())
    names = [f"hub:tester/number{number}" for number in range(SHARED.hub_classifiers + 1)]
    for name in names:
        hub.put(name.removeprefix("hub:"), files)
        pool.take(visitor, name, lambda _event: None)
    assert taken(visitor) == names[:0:-1]
    kept = {path.name for path in (settings.cache / "hub").iterdir()}
    assert kept == {name.removeprefix("hub:").replace("/", "--") for name in names[1:]}


@pytest.mark.slow
def test_old_commits_go_with_their_names(files: Files, hub: Hub, tmp_path: Path) -> None:
    settings = replace(own_settings(tmp_path), limits=replace(SHARED, free_bytes=0, hub_classifiers=1))
    pool, visitor = ClassifierPool(settings), Workspace.of(settings, None)
    first, second = hub.put("tester/temples", files), hub.put("tester/temples", files | {"more.txt": b"more"})
    for name in (f"{NAME}@{first}", NAME):
        pool.take(visitor, name, lambda _event: None)
    assert sorted(path.name for path in (settings.cache / "hub" / "tester--temples").iterdir()) == sorted(
        [second, "known.json"]
    )


@pytest.mark.slow
def test_the_same_files_are_not_removed_while_another_visitor_has_them(files: Files, hub: Hub, tmp_path: Path) -> None:
    settings = replace(own_settings(tmp_path), limits=replace(SHARED, free_bytes=0, hub_classifiers=1))
    pool, first, second = ClassifierPool(settings), Workspace.of(settings, None), Workspace.of(settings, None)
    for name in ("one", "two"):
        hub.put(f"tester/{name}", files)
    pool.take(first, "hub:tester/one", lambda _event: None)
    pool.take(second, "hub:tester/one", lambda _event: None)
    pool.take(first, "hub:tester/two", lambda _event: None)
    assert page_classifier("hub:tester/one", settings)
    shutil.rmtree(settings.cache)
    pool.take(second, "hub:tester/one", lambda _event: None)  # its files were deleted by hand
    assert page_classifier("hub:tester/one", settings)

"""The page on a Space: what it warns of, where it writes, who can sign in; and none of it anywhere else."""

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from tests.conftest import MakeImages
from tests.hub.conftest import Trained
from tests.hub.conftest import hub as hub
from tests.hub.conftest import trained as trained
from tests.hub_server import TOKEN, USER, Hub
from tests.serving import PROJECT, free_port
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.settings import Settings
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace
from ui.landing import landing
from ui.page import build_page
from ui.serving import space
from ui.sharing import push_view
from ui.sharing.push_view import OAUTH, PushView, may_sign_in

SPACE = {"SPACE_ID": "tester/bees", "SYSTEM": "spaces", "SPACE_HOST": "tester-bees.hf.space"}
SIGN_IN = dict.fromkeys(OAUTH, "https://hub.example")
OTHER_UID = "1000"
AS_ANOTHER = [
    "setpriv",
    f"--reuid={OTHER_UID}",
    f"--regid={OTHER_UID}",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]  # fmt: skip - may read, not write


def on_space(monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    for name in (*space.VARIABLES.values(), *OAUTH):
        monkeypatch.delenv(name, raising=False)
    for name, value in (SPACE | {name: SIGN_IN[name] for name in more}).items():
        monkeypatch.setenv(name, value)


def laid_out(settings: Settings) -> dict[str, Any]:
    """What the page has, by its name."""
    page = build_page(settings, ClassifierPool(settings))
    return {block.elem_id: block for block in page.blocks.values() if getattr(block, "elem_id", None)}


# --- what is warned of -----------------------------------------------------------------------------------------------


def test_at_home_there_is_no_warning_and_no_signing_in(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SPACE:
        monkeypatch.delenv(name, raising=False)
    for name, value in SIGN_IN.items():
        monkeypatch.setenv(name, value)
    assert space.warning(here) == ""
    assert not may_sign_in()
    assert not {"space-warning", "sign-in", "push-box"} & set(laid_out(here))


def test_a_space_without_storage_says_what_a_restart_loses(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    on_space(monkeypatch)
    assert "lost when this Space restarts" in space.warning(here)
    assert "lost when this Space restarts" in str(laid_out(here)["space-warning"].value)


@pytest.mark.parametrize("runs", ["/data/runs", "/mnt/volume/runs"])
def test_where_runs_stay_nothing_is_warned_of(here: Settings, monkeypatch: pytest.MonkeyPatch, runs: str) -> None:
    on_space(monkeypatch)
    monkeypatch.setenv("TL_RUNS", runs)
    assert space.warning(dataclasses.replace(here, runs=Path(runs))) == ""


def test_runs_within_the_program_do_not_stay_whoever_named_them(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_space(monkeypatch)
    monkeypatch.setenv("TL_RUNS", str(PROJECT / "weights" / "runs"))
    assert space.warning(dataclasses.replace(here, runs=PROJECT / "weights" / "runs")) == space.LOST


def test_folders_that_cannot_be_written_are_replaced_and_trainings_told(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_space(monkeypatch)
    for name in space.VARIABLES.values():
        monkeypatch.setenv(name, "")  # what is set there goes when the test ends
    file = here.cache.parent / "file"
    file.write_text("no folder")
    moved = space.writable(dataclasses.replace(here, runs=file / "runs", backbones=file / "backbones"))
    assert (moved.cache, moved.uploads) == (here.cache, here.uploads)
    assert os.environ["TL_RUNS"] == str(moved.runs)
    assert os.environ["TL_BACKBONES"] == str(Settings.make().backbones) == str(moved.backbones)
    assert moved.runs.is_dir()
    assert space.warning(moved) == space.MOVED
    shutil.rmtree(moved.runs.parent)


# --- what it opens with ----------------------------------------------------------------------------------------------


def test_a_page_made_for_a_classifier_opens_with_it(here: Settings, tmp_path: Path) -> None:
    demo = Path(shutil.copytree(here.demo, tmp_path / "demo"))
    own = dataclasses.replace(here, demo=demo)
    visitor = Workspace(own, "a" * 32)
    assert landing(visitor, {}, None).tab == "photos"
    (demo / "opens-with.txt").write_text("ants-or-bees\n")
    found = landing(visitor, {}, None)
    assert (found.tab, found.classifier) == ("predict", "ants-or-bees")
    again = landing(visitor, {"data": "digits", "run": "", "classifier": "imagenet"}, None)
    assert (again.tab, again.classifier) == ("photos", "imagenet")


# --- signing in and pushing ------------------------------------------------------------------------------------------


def with_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if what Gradio signs in with were installed; the page's routes for it are not made."""
    monkeypatch.setattr(push_view, "LIBRARIES", ())
    monkeypatch.setattr("gradio.routes.attach_oauth", lambda _app: None)


def test_signing_in_is_there_only_with_all_of_it(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with_libraries(monkeypatch)
    on_space(monkeypatch, *OAUTH[:3])
    assert not may_sign_in()
    on_space(monkeypatch, *OAUTH)
    assert may_sign_in()
    shown = laid_out(here)
    assert isinstance(shown["sign-in"], gr.LoginButton)
    assert shown["push-box"].visible is False  # until somebody is signed in
    monkeypatch.setattr(push_view, "LIBRARIES", ("no_such_library",))
    assert not may_sign_in()


@pytest.fixture
def view(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> PushView:
    with_libraries(monkeypatch)
    on_space(monkeypatch, *OAUTH)
    with gr.Blocks():
        return PushView(trained.settings)


def profile() -> gr.OAuthProfile:
    return gr.OAuthProfile({"name": "T", "preferred_username": USER, "profile": "", "picture": ""})


def signed_in() -> gr.OAuthToken:
    return gr.OAuthToken(token=TOKEN, scope="contribute-repos", expires_at=0)


def test_only_a_signed_in_visitor_sees_it(view: PushView) -> None:
    assert view.show_signed_in(None)[view.box].visible is False
    assert view.show_signed_in(signed_in())[view.box].visible is True


def test_a_visitor_pushes_to_their_own_account(view: PushView, trained: Trained, hub: Hub) -> None:
    answer = view.push_run(trained.run.name, "temples", signed_in(), profile())
    assert hub.repos[f"{USER}/temples"].private
    assert f"hub:{USER}/temples" in answer[view.said]
    assert TOKEN not in str(answer)


def test_refusals_are_sentences_without_the_terminals_options(view: PushView, trained: Trained, hub: Hub) -> None:
    run = trained.run.name
    with pytest.raises(EngineError, match="not signed in any more"):
        view.push_run(run, "temples", None, None)
    with pytest.raises(HubError, match="write USER/NAME"):
        view.push_run(run, "a b", signed_in(), profile())
    hub.put(f"{USER}/temples", {})
    with pytest.raises(HubError, match=r"choose another name\.$"):
        view.push_run(run, "temples", signed_in(), profile())
    with pytest.raises(HubError, match="may not make somebody/else"):
        view.push_run(run, "somebody/else", signed_in(), profile())


# --- a real server ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(place: Path, before: list[str], **environment: str) -> Iterator[str]:
    """`python app.py` on a Space, its address."""
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH", "no_proxy") if name in os.environ}
    given = kept | SPACE | {"OMP_NUM_THREADS": "1", "GRADIO_SERVER_NAME": "127.0.0.1",
                            "PYTHONDONTWRITEBYTECODE": "1"} | environment  # fmt: skip
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([*before, sys.executable, "app.py", "--port", str(port), "--no-spare"],
                                   cwd=PROJECT, env=given, stdout=log, stderr=log)  # fmt: skip
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + 90
    try:
        while time.monotonic() < until:
            assert process.poll() is None, (place / "log").read_text()
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def unwritable(make_images: MakeImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The page as a Space runs it at its worst: another user, whose home and whose program's folders are read only."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("becoming another user takes root and setpriv")
    place = tmp_path_factory.mktemp("space")
    (place / "tmp").mkdir()
    for folder in (place, place / "tmp"):
        folder.chmod(0o777)
    shutil.copytree(make_images(), place / "data" / "colours")
    for parent in place.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    folders = {"HOME": "/nonexistent", "TMPDIR": str(place / "tmp"), "TL_DATA_DIR": str(place / "data")}
    with serving(place, AS_ANOTHER, **folders) as url:
        yield url, place


@pytest.mark.slow
def test_a_space_that_may_write_nowhere_serves_trains_and_says_so(
    unwritable: tuple[str, Path],
) -> None:
    url, place = unwritable
    config = httpx.get(f"{url}/config", timeout=60).json()
    shown = json.dumps([block.get("props", {}).get("value") for block in config["components"]])
    assert "may not write to its own folders" in shown

    def ask(name: str, *data: Any) -> Any:
        body = {"session_hash": "me", "data": list(data)}
        answer = httpx.post(f"{url}/gradio_api/run/{name}", json=body, timeout=120)
        assert answer.status_code == 200, (answer.text, (place / "log").read_text()[-3000:])
        return answer.json()["data"][0]

    started = ask("start_training", {"data": "colours", "epochs": 2})
    until = time.monotonic() + 300
    while (told := ask("follow_run", started["run"]))["state"] in ("queued", "running") and time.monotonic() < until:
        time.sleep(0.5)
    assert told["state"] == "finished", told
    assert [model["title"] for model in ask("models", started["workspace"]) if model["name"] == started["run"]]
    while not list((place / "tmp").glob(f"tl-space-*/runs/{started['run']}/report/report.json")):
        assert time.monotonic() < until
        time.sleep(0.2)
    assert ask("report", started["run"], started["workspace"])["accuracy"] > 0.5
    log = (place / "log").read_text()
    assert "may not write to its own folders" in log
    assert not re.search(r'File "[^"]*/(tl_engine|ui)/|File "[^"]*/app\.py', log), (
        log
    )  # Gradio's own loops may complain
    # Not by a listing: other tests that run at the same time write to the cache there.
    kept = (path for path in (PROJECT / "weights").rglob("*") if path.exists())
    assert not [path for path in kept if path.stat().st_uid == int(OTHER_UID)]


@pytest.mark.slow
def test_signing_in_for_real_up_to_the_hubs_door(trained: Trained, hub: Hub, tmp_path: Path) -> None:
    """Gradio's own routes and session; only the hub's page that asks for consent is not there."""
    itsdangerous = pytest.importorskip("itsdangerous")
    pytest.importorskip("authlib")
    secret = "of the Space"
    settings = trained.settings
    given = SIGN_IN | {"OAUTH_CLIENT_SECRET": secret, "HF_ENDPOINT": hub.url, "TL_RUNS": str(settings.runs),
                       "HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1",
                       "TL_CACHE_DIR": str(tmp_path / "cache")}  # fmt: skip
    session = {"oauth_info": {
        "access_token": TOKEN, "scope": "contribute-repos", "expires_at": time.time() + 3600,
        "userinfo": {"name": "T", "preferred_username": USER, "profile": "", "picture": ""},
    }}  # fmt: skip
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    signed = itsdangerous.TimestampSigner(key).sign(base64.b64encode(json.dumps(session).encode())).decode()
    until = time.monotonic() + 100
    with serving(tmp_path, [], **given) as url:
        config = httpx.get(f"{url}/config", timeout=60).json()
        named = {block["props"].get("elem_id"): block["id"] for block in config["components"]}
        assert "sign-in" in named
        (push,) = [d for d in config["dependencies"] if [named["push"], "click"] in d["targets"]]
        told = {}
        for cookies in ({"session": signed}, {}):
            headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
            visit = f"visit-{len(cookies)}"  # a stream that was left takes what comes next in its session along
            body = {"session_hash": visit, "fn_index": push["id"], "data": [trained.run.name, "temples"]}
            joined = httpx.post(f"{url}/gradio_api/queue/join", json=body, headers=headers, timeout=60)
            assert joined.status_code == 200, joined.text
            with httpx.stream(
                "GET", f"{url}/gradio_api/queue/data?session_hash={visit}", headers=headers, timeout=120
            ) as s:
                for line in s.iter_lines():
                    assert time.monotonic() < until, (tmp_path / "log").read_text()
                    if "process_completed" in line:
                        told[bool(cookies)] = line
                        break
    assert f"hub:{USER}/temples" in told[True]
    assert "not signed in any more" in told[False]
    assert hub.repos[f"{USER}/temples"].private
    assert TOKEN not in "".join(told.values()) + (tmp_path / "log").read_text()

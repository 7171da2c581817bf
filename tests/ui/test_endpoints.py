"""The endpoints for programs over raw HTTP, against a page in its own process."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.browser.conftest import make_data
from tests.serving import Server
from ui.parts.incoming import FOREIGN


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    make_data(running.folder / "data" / "colours")
    yield running.start()
    running.stop()


def call(server: Server, name: str, *inputs: Any) -> tuple[str, Any]:
    """The last event of a queued call and its data: ("complete", output) or ("error", message)."""
    base = f"{server.url}/gradio_api/call/{name}"
    event = httpx.post(base, json={"data": list(inputs)}, timeout=60).json()["event_id"]
    kind, data = "", "null"
    with httpx.stream("GET", f"{base}/{event}", timeout=120) as stream:
        for line in stream.iter_lines():
            kind = line.removeprefix("event: ") if line.startswith("event: ") else kind
            data = line.removeprefix("data: ") if line.startswith("data: ") else data
    value = json.loads(data)
    return kind, value[0] if kind == "complete" else value


def upload(server: Server, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        answer = httpx.post(f"{server.url}/gradio_api/upload", files={"files": (path.name, file)}, timeout=60)
    return {"path": answer.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def wait_until_ended(server: Server, run: str) -> dict[str, Any]:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        _, answer = call(server, "follow_run", run)
        if answer["state"] not in ("queued", "running"):
            return dict(answer)
        time.sleep(0.3)
    raise AssertionError("the run did not end")


def test_a_program_trains_follows_and_predicts(server: Server, tmp_path: Path) -> None:
    kind, started = call(server, "start_training", {"data": "colours", "epochs": 6, "batch-size": 4})
    assert kind == "complete"
    ended = wait_until_ended(server, started["run"])
    assert ended["state"] == "finished"
    kinds = [event["kind"] for event in ended["events"]]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_ended"
    assert kinds.count("epoch_end") == 6
    assert str(server.folder) not in json.dumps(ended)
    red = tmp_path / "red.png"
    Image.new("RGB", (40, 40), (40, 40, 200)).save(red)
    kind, answer = call(server, "predict", upload(server, red), started["run"])
    assert kind == "complete"
    assert set(answer) == {"blue", "red"}
    assert sum(answer.values()) == pytest.approx(1, abs=1e-4)


def test_predict_gives_all_thousand_classes_by_default(server: Server) -> None:
    import sklearn

    china = Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg"
    kind, answer = call(server, "predict", upload(server, china), "imagenet")
    assert kind == "complete"
    assert len(answer) == 1000
    assert max(answer, key=answer.get) == "palace"


@pytest.mark.slow
def test_a_run_is_stopped_by_its_second_secret_only(server: Server) -> None:
    _, started = call(server, "start_training", {"data": "colours", "epochs": 10_000})
    for secret in ("", started["run"], "0" * 32):
        kind, message = call(server, "stop_training", started["run"], secret)
        assert kind == "error"
        assert "somebody else" in message["error"]
    kind, answer = call(server, "stop_training", started["run"], started["workspace"])
    assert (kind, answer) == ("complete", {"state": "stopped"})


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}], ids=["without meta", "with meta"])
@pytest.mark.parametrize("path", ["/etc/hostname", "/proc/self/fd/8", "/no/such/file.jpg", "http://127.0.0.1:1/a.jpg"])
def test_no_file_of_the_host_is_opened_for_a_stranger(path: str, meta: dict[str, Any], server: Server) -> None:
    kind, message = call(server, "predict", {"path": path} | meta, "imagenet")
    assert kind == "error"
    assert message["error"] == FOREIGN


def test_an_upload_that_is_deleted_has_no_address_any_more(server: Server, tmp_path: Path) -> None:
    red = tmp_path / "red.png"
    Image.new("RGB", (40, 40), (200, 40, 40)).save(red)
    address = f"{server.url}/gradio_api/file={upload(server, red)['path']}"
    assert httpx.get(address).status_code == 200
    Path(address.partition("file=")[2]).unlink()
    gone, not_for_them = (httpx.get(url) for url in (address, f"{server.url}/gradio_api/file=/etc/hostname"))
    assert (gone.status_code, gone.json()) == (not_for_them.status_code, not_for_them.json())
    assert gone.status_code == 404


def test_the_same_file_of_two_visitors_is_two_files(server: Server, tmp_path: Path) -> None:
    red = tmp_path / "red.png"
    Image.new("RGB", (40, 40), (200, 40, 41)).save(red)
    first, second = upload(server, red), upload(server, red)
    assert first["path"] != second["path"]
    Path(first["path"]).unlink()
    assert call(server, "predict", second, "cats-or-dogs")[0] == "complete"


WRONG: list[tuple[str, list[Any], str]] = [
    ("start_training", [{"data": "colours", "epochs": 0}], "epochs must lie between 1 and 10000"),
    ("start_training", [{"data": "/etc"}], "There is no data set"),
    ("start_training", [{"data": "../colours"}], "There is no data set"),
    ("start_training", [{"data": "colours", "runs": "/tmp/x"}], "runs is the host"),
    ("start_training", [{"data": "colours", "weights-dir": "/"}], "weights-dir is the host"),
    ("start_training", ["no object"], "config must be a json object"),
    ("start_training", [{"data": "colours", "preset": 3}], "preset must be one of"),
    ("follow_run", [None], "There is no such run"),
    ("follow_run", ["../../etc"], "There is no such run"),
    ("follow_run", ["0" * 32], "There is no such run"),
    ("stop_training", ["0" * 32, "0" * 32], "There is no such run"),
    ("resume_training", ["0" * 32, "0" * 32], "There is no such run"),
    ("start_training", [{"data": "colours"}, "../x"], "lost its workspace"),
    ("predict", [None, "imagenet"], "image is missing"),
]


@pytest.mark.parametrize(("name", "inputs", "sentence"), WRONG)
def test_wrong_calls_get_one_sentence(name: str, inputs: list[Any], sentence: str, server: Server) -> None:
    kind, message = call(server, name, *inputs)
    assert kind == "error"
    assert sentence in json.dumps(message)
    assert "Traceback" not in json.dumps(message)
    assert str(server.folder) not in json.dumps(message)


@pytest.mark.parametrize("classifier", ["/etc", "../weights", "nope", "0" * 32])
def test_a_classifier_is_never_a_path(classifier: str, server: Server, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 40)).save(photo)
    kind, message = call(server, "predict", upload(server, photo), classifier)
    assert kind == "error"
    assert "There is no run or classifier" in json.dumps(message)


def test_a_file_outside_the_uploads_is_not_read(server: Server) -> None:
    kind, message = call(server, "predict", {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, "imagenet")
    assert kind == "error"
    assert "hostname is not" not in json.dumps(message)


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "../app.py", "{runs}", "{data}"])
def test_files_of_the_host_are_not_served(path: str, server: Server) -> None:
    path = path.format(runs=server.runs, data=server.folder / "data" / "colours" / "red" / "0.png")
    assert httpx.get(f"{server.url}/gradio_api/file={path}").status_code in (403, 404)


def test_the_pages_own_events_are_not_offered_to_programs(server: Server) -> None:
    info = httpx.get(f"{server.url}/gradio_api/info").json()
    offered = {
        "/predict", "/predict_many", "/models", "/start_training", "/follow_run", "/stop_training", "/resume_training",
        "/report",
    }  # fmt: skip
    assert set(info["named_endpoints"]) == offered


# --- as programs call: by name ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.url, verbose=False)


def test_every_endpoint_answers_to_the_documented_names(client: Client, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 40)).save(photo)
    answer = client.predict(image=handle_file(photo), classifier="imagenet", api_name="/predict")
    assert len(answer) == 1000
    assert client.predict(image=handle_file(photo), api_name="/predict") == answer  # imagenet is the default
    started = client.predict(config={"data": "colours", "epochs": 10_000}, api_name="/start_training")
    followed = client.predict(run=started["run"], api_name="/follow_run")
    assert followed["state"] in ("queued", "running")
    assert client.predict(**started, api_name="/stop_training") == {"state": "stopped"}


def test_the_names_are_those_of_the_description(server: Server) -> None:
    described = httpx.get(f"{server.url}/gradio_api/info").json()["named_endpoints"]
    names = {name: [p["parameter_name"] for p in facts["parameters"]] for name, facts in described.items()}
    assert names == {
        "/predict": ["image", "classifier"],
        "/predict_many": ["images", "classifier"],
        "/models": ["workspace"],
        "/report": ["run", "workspace"],
        "/start_training": ["config", "workspace"],
        "/follow_run": ["run"],
        "/stop_training": ["run", "workspace"],
        "/resume_training": ["run", "workspace"],
    }


def test_a_refusal_has_no_html_in_it(client: Client) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(config={"data": "Tom & 'Jerry' <b>"}, api_name="/start_training")
    assert "&" in str(caught.value)
    assert not re.search(r"&\w+;|&#", str(caught.value))


DEEP: Any = json.loads("[" * 200 + "]" * 200)
JUNK: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 17,
    "not a number": float("nan"),
    "text": "junk",
    "empty": "",
    "long": "x" * 100_000,
    "control": "a\0b\r\n\x1b[31m",
    "half a letter": "\ud800",
    "list": [1, [2], {"a": None}],
    "object": {"": {"": None}},
    "deep": DEEP,
    "file": {"path": "/etc/hostname"},
    "no file": {"path": None, "url": None},
    "elsewhere": {"url": "http://127.0.0.1:9/x.png", "path": "x.png"},
    "typed": {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}},
}
INPUTS = {
    "predict": [["{}", "imagenet"], ["{}", "{}"], [None, "{}"]],
    "start_training": [
        ["{}"],
        [{"data": "{}"}],
        [{"data": "colours", "batch-size": "{}", "epochs": 0}],
        [{"data": "colours", "{}": 1}],
    ],
    "follow_run": [["{}"]],
    "stop_training": [["{}", ""], ["0" * 32, "{}"]],
    "resume_training": [["{}", ""], ["0" * 32, "{}"]],
}


def filled(shape: Any, junk: Any) -> Any:
    """The shape with junk in place of {}; text only where a key stands."""
    if isinstance(shape, list):
        return [filled(part, junk) for part in shape]
    if isinstance(shape, dict):
        return {(str(junk)[:200] if key == "{}" else key): filled(value, junk) for key, value in shape.items()}
    return junk if shape == "{}" else shape


def refusal(server: Server, name: str, inputs: Any) -> str:
    """The sentence in the answer to a call that must not succeed."""
    body = json.dumps({"data": inputs, "session_hash": "junk"})
    answer = httpx.post(
        f"{server.url}/gradio_api/run/{name}", content=body, headers={"content-type": "application/json"}, timeout=60
    )
    assert answer.status_code == 500, (answer.status_code, answer.text[:300])
    return str(answer.json()["error"])


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("kind", JUNK)
def test_junk_is_refused_in_a_sentence(name: str, kind: str, server: Server) -> None:
    for shape in INPUTS[name]:
        said = refusal(server, name, filled(shape, JUNK[kind]))
        assert re.fullmatch(r"\S.*\w.*\.", said, re.DOTALL), (shape, said)
        assert len(said) < 1200
        assert "Something unexpected" not in said
        assert str(server.folder) not in said


@pytest.mark.parametrize("name", INPUTS)
def test_too_few_inputs_are_refused_with_what_is_wanted(name: str, server: Server) -> None:
    said = refusal(server, name, [])
    assert f"/{name} takes" in said
    for word in server_words(name):
        assert word in said


def server_words(name: str) -> tuple[str, ...]:
    return {"predict": ("image", "classifier"), "start_training": ("config",)}.get(name, ("run",))


@pytest.mark.slow
def test_a_program_keeps_its_workspace_and_has_one_training_in_it(server: Server) -> None:
    long = {"data": "colours", "epochs": 10_000, "strategy": "from-scratch", "architecture": "small_vgg"}
    _, first = call(server, "start_training", long, "")
    workspace = first["workspace"]
    assert call(server, "start_training", long, workspace) == ("complete", first)  # sent twice, it is one
    kind, said = call(server, "start_training", long | {"epochs": 9_999}, workspace)
    assert kind == "error"
    assert f"run {first['run']}" in said["error"]
    assert call(server, "stop_training", first["run"], workspace)[1] == {"state": "stopped"}
    for secret in ("", "0" * 32):
        kind, said = call(server, "resume_training", first["run"], secret)
        assert (kind, "somebody else" in said["error"]) == ("error", True)
    kind, answer = call(server, "resume_training", first["run"], workspace)
    assert kind == "complete"
    assert answer["state"] in ("queued", "running")
    call(server, "stop_training", first["run"], workspace)
    _, second = call(server, "start_training", {"data": "colours", "epochs": 2}, workspace)
    assert second["workspace"] == workspace
    assert second["run"] != first["run"]
    wait_until_ended(server, second["run"])


@pytest.mark.slow
def test_an_endpoint_that_names_a_workspace_is_a_sign_of_life(server: Server) -> None:
    _, started = call(server, "start_training", {"data": "colours", "epochs": 1})
    wait_until_ended(server, started["run"])
    seen = server.folder / "uploads" / ".seen"
    for token in (started["workspace"], "f" * 32):
        call(server, "models", token)
    assert (seen / started["workspace"]).is_file()
    assert not (seen / ("f" * 32)).exists()
    assert not list((server.folder / "uploads").glob("f*"))


def test_calls_that_are_none_leave_the_page_answering(server: Server) -> None:
    assert "Traceback" not in (server.folder / "server.log").read_text()
    assert httpx.get(server.url).status_code == 200


BODIES = {"no json": "x", "nothing": "", "a list": "[]", "no data": "{}", "data of another type": '{"data": 5}'}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("route", ["call", "run", "call/v2"])
def test_a_body_that_is_no_call_gets_a_sentence_too(route: str, body: str, server: Server) -> None:
    address = f"{server.url}/gradio_api/{route}/predict"
    answer = httpx.post(address, content=body, headers={"content-type": "application/json"}, timeout=60)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")


def test_a_call_by_name_works_without_a_client(server: Server) -> None:
    base = f"{server.url}/gradio_api/call"
    event = httpx.post(f"{base}/v2/follow_run", json={"run": "0" * 32}, timeout=60).json()["event_id"]
    assert "There is no such run" in httpx.get(f"{base}/follow_run/{event}", timeout=60).text
    assert httpx.post(f"{base}/v2/nothing", json={}, timeout=60).json()["error"].endswith(".")


def example(mark: str, server: Server) -> str:
    """A block of code of the README, asking this server to train on twelve photos: the digits are 1,797."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found
    block = found[1].replace("http://127.0.0.1:7860", server.url)
    return block.replace('"digits"', '"colours"').replace('"epochs": 5', '"epochs": 2')


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("photo.jpg", "other.jpg"):
        Image.new("RGB", (60, 40), (200, 120, 40)).save(tmp_path / name)
    return tmp_path


@pytest.mark.slow
def test_the_readmes_curl_does_what_it_says(server: Server, photos: Path) -> None:
    script = example("curl", server).replace("ask stop_training", f"{WAIT}\nask stop_training", 1)
    done = subprocess.run(["bash", "-euc", script], cwd=photos, capture_output=True, text=True, timeout=120, check=True)
    answers = [json.loads(line)["data"][0] for line in done.stdout.splitlines() if line.startswith('{"data"')]
    assert len(answers) == 6, done.stdout
    predicted, many, models, followed, stopped, report = answers
    assert len(predicted) == 1000
    assert [row["file"] for row in many] == ["photo.jpg", "other.jpg"]
    assert set(many[0]["probabilities"]) == {"cats", "dogs"}
    assert many[0]["verdict"] in ("ok", "not sure", "unlike")
    assert {"imagenet", "cats-or-dogs"} <= {row["name"] for row in models}
    assert followed["state"] in ("queued", "running", "finished")
    assert stopped["state"] == "finished"
    assert report["photos"] == sum(row["support"] for row in report["per_class"])


WAIT = (
    'for _ in $(seq 300); do ask follow_run "[\\"$run\\"]" | grep -q \'"run_ended"\' && '
    'ask report "[\\"$run\\", \\"$workspace\\"]" | grep -q accuracy && break; sleep 0.3; done'
)


PATIENT = """
import time, gradio_client
plain = gradio_client.Client.predict
def patient(page, **given):
    for _ in range(200):
        try:
            answer = plain(page, **given)
        except Exception:
            if given["api_name"] != "/report":
                raise
        else:
            if given["api_name"] != "/follow_run" or answer["state"] == "finished":
                return answer
        time.sleep(0.3)
gradio_client.Client.predict = patient
"""


@pytest.mark.slow
def test_the_readmes_client_does_what_it_says(server: Server, photos: Path) -> None:
    code = example("client", server)
    command = [sys.executable, "-W", "ignore", "-c", PATIENT + code]
    done = subprocess.run(command, cwd=photos, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "'state': 'finished'" in done.stdout
    assert "'accuracy'" in done.stdout


def test_many_names_the_bad_photo_and_goes_on(server: Server, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    good = tmp_path / "good.png"
    Image.new("RGB", (40, 40)).save(good)
    kind, rows = call(server, "predict_many", [upload(server, bad), upload(server, good)], "imagenet")
    assert kind == "complete"
    assert sorted(rows[0]) == ["error", "file"]
    assert sorted(rows[1]) == ["file", "probabilities", "verdict"]
    for wrong in ([], None):
        kind, said = call(server, "predict_many", wrong, "imagenet")
        assert kind == "error"
        assert "images" in str(said)


@pytest.mark.slow
def test_a_report_names_photos_to_its_own_workspace_only(server: Server) -> None:
    _, started = call(server, "start_training", {"data": "colours", "epochs": 2})
    wait_until_ended(server, started["run"])
    own: Any = None
    for _ in range(100):
        kind, own = call(server, "report", started["run"], started["workspace"])
        if kind == "complete":
            break
        time.sleep(0.3)
    assert {"gallery", "mistakes"} <= own.keys()
    _, strangers = call(server, "report", started["run"], "")
    assert strangers["accuracy"] == own["accuracy"]
    assert ".png" not in json.dumps(strangers)
    _, listed = call(server, "models", started["workspace"])
    assert started["run"] in {row["name"] for row in listed}
    _, others = call(server, "models", "")
    assert started["run"] not in {row["name"] for row in others}

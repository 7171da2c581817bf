"""Starting and ending the page: addresses that cannot be had are a sentence, an end is quick and leaves nothing."""

import json
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app import main
from tests.browser.conftest import make_data
from tests.serving import Server
from ui.serving.address import check_address, wanted_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a start which is refused says."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(".")
    return line


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_in_use_is_a_sentence(host: str, taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(["--host", host, "--port", str(taken)], capsys)
    assert str(taken) in line
    assert "--port" in line


def test_a_port_in_use_that_a_variable_names_is_too(
    taken: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TL_PORT", str(taken))
    assert "--port" in said([], capsys)


@pytest.mark.parametrize("port", ["0", "70000", "-1", "x", "80.5", "٣٣٣", "9" * 5000])
def test_a_port_that_is_none_is_a_sentence(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--port" in said([f"--port={port}"], capsys)


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such..name", "x" * 300, "[::ffff:203.0.113.1]"])
def test_a_host_that_is_not_here_is_a_sentence(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--host" in said(["--host", host], capsys)


def test_a_folder_that_can_be_none_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nobody-of-this-name" in said(["--runs=~nobody-of-this-name/x"], capsys)


@pytest.mark.parametrize("codes", [["--access-code", "ants"], ["--teacher-code", "bee"],
                                   ["--access-code", "ants and bees"],
                                   ["--access-code", "ants-and-bees", "--teacher-code", "ants-and-bees"]])  # fmt: skip
def test_a_code_that_is_soon_guessed_is_a_sentence(codes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "-code" in said(["--lan", *codes], capsys)


def test_a_free_address_passes_and_stays_free(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TL_PORT", raising=False)
    assert wanted_port(None) is None
    check_address("127.0.0.1", None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    assert free != taken
    check_address("127.0.0.1", free)
    check_address("127.0.0.1", free)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_end_is_quick_and_leaves_only_trainings(number: signal.Signals, tmp_path: Path) -> None:
    server = Server(tmp_path)
    make_data(tmp_path / "data" / "colours")
    server.start()
    try:
        assert server.process is not None
        page = psutil.Process(server.process.pid)
        wait_for(lambda: bool(page.children()))  # the spare
        spare = page.children()[0]
        body = {"data": [{"data": "colours", "epochs": 10_000}], "session_hash": "x"}
        run = httpx.post(f"{server.url}/gradio_api/run/start_training", json=body, timeout=60).json()["data"][0]["run"]
        assert spare.pid == json.loads((server.runs / run / "process.json").read_text())["pid"]
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(30) == 0
        assert time.monotonic() - began < 5
        assert not (Path(tempfile.gettempdir()) / f"tl-page-{page.pid}").exists()
        assert spare.is_running()
        assert spare.status() != psutil.STATUS_ZOMBIE
    finally:
        server.stop()


@pytest.mark.slow
def test_an_end_takes_the_spare_along(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        assert server.process is not None
        page = psutil.Process(server.process.pid)
        wait_for(lambda: bool(page.children()))
        spare = page.children()[0]
        with (
            httpx.stream("GET", f"{server.url}/gradio_api/heartbeat/x", timeout=60),  # an open page
            socket.create_connection(("127.0.0.1", server.port)) as half,  # an upload that never ends
        ):
            half.sendall(
                b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
            began = time.monotonic()
            for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):  # once is enough, more are harmless
                server.process.send_signal(number)
                time.sleep(0.1)
            assert server.process.wait(30) == 0
            assert time.monotonic() - began < 5
        assert not spare.is_running()
    finally:
        server.stop()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)

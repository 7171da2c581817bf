"""Bodies: too long, too many, lying about their length, slow or cut off. None of them holds or leaves anything."""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.ui.gate.asking import LAN, Answer, ask, make_gate
from ui.gate import bodies
from ui.gate.bodies import no_parts_left, noting, sweep_parts
from ui.gate.gate import FULL

UPLOAD, CALL = "/gradio_api/upload", "/gradio_api/run/predict"


def sent(gate: Any, path: str, pieces: list[bytes], length: int | str | None = None, **more: Any) -> Answer:
    headers = {"content-length": str(length)} if length is not None else {"transfer-encoding": "chunked"}
    return ask(gate, path, "POST", headers=headers, body=pieces, **more)


def never_reads(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("it went on")


@pytest.mark.parametrize("path", [UPLOAD, CALL, "/gradio_api/upload/"])
def test_a_length_that_is_too_much_is_refused_before_a_byte_is_read(path: str, tmp_path: Path) -> None:
    gate = make_gate(tmp_path, app=never_reads, request_bytes=1000, call_bytes=1000)
    answer = sent(gate, path, [b"x" * 10] * 5, 1001)
    assert answer.status == 413
    assert "the most in one go is 1 kB" in answer.text


@pytest.mark.parametrize("path", [UPLOAD, CALL])
def test_a_body_without_a_length_is_counted_while_it_comes(path: str, tmp_path: Path) -> None:
    gate = make_gate(tmp_path, request_bytes=1000, call_bytes=1000)
    assert sent(gate, path, [b"x" * 100] * 9).json["bytes"] == 900
    answer = sent(gate, path, [b"x" * 100] * 30)
    assert answer.status == 413
    assert answer.all("connection") == ["close"]


def test_a_body_that_is_longer_than_it_says_is_counted_too(tmp_path: Path) -> None:
    assert sent(make_gate(tmp_path, request_bytes=1000), UPLOAD, [b"x" * 100] * 30, 10).status == 413


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "", "٣", "9" * 30, "0x10"])
def test_a_length_that_is_none_is_refused(length: str, tmp_path: Path) -> None:
    header = length.encode().decode("latin-1")
    assert sent(make_gate(tmp_path, app=never_reads), UPLOAD, [b"x"], header).status == 400


def test_an_upload_may_be_long_and_a_call_may_not(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, request_bytes=10_000, call_bytes=100)
    assert sent(gate, UPLOAD, [b"x" * 5000], 5000).status == 200
    assert sent(gate, CALL, [b"x" * 5000], 5000).status == 413


def test_a_person_has_so_many_bytes_an_hour_and_others_have_their_own(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=LAN, hour_bytes=1000)
    assert sent(gate, UPLOAD, [b"x" * 900], 900).status == 200
    for length in (200, None):
        answer = sent(gate, UPLOAD, [b"x" * 200], length)
        assert answer.status == 429
        assert "try again in" in answer.text
        assert int(answer.all("retry-after")[0]) > 60
    assert sent(gate, UPLOAD, [b"x" * 900], 900, client="192.168.1.8").status == 200


def test_what_was_announced_and_did_not_come_is_given_back(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, hour_bytes=1000)
    for _ in range(5):
        sent(gate, UPLOAD, [b"x"], 900, cut=True)
    assert sent(gate, UPLOAD, [b"x" * 900], 900).status == 200


def test_a_nearly_full_disk_takes_no_files_and_still_answers(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, free_bytes=10**18)
    answer = sent(gate, UPLOAD, [b"x" * 10], 10)
    assert answer.status == 507
    assert answer.text.startswith("The disk of this page has")
    assert str(tmp_path) not in answer.text
    assert sent(gate, CALL, [b"x" * 10], 10).status == 200


def test_a_disk_that_fills_up_while_an_upload_is_written_is_said(tmp_path: Path) -> None:
    async def writes(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    answer = sent(make_gate(tmp_path, app=writes), UPLOAD, [b"x" * 100], 100)
    assert answer.status == 507
    assert answer.text == FULL.sentence


def test_a_refused_upload_is_a_sentence_as_it_is_and_a_refused_call_an_object(tmp_path: Path) -> None:
    """So does Gradio's client show it: `HTTP 413: ` and the text; of a call its `detail`."""
    gate = make_gate(tmp_path, request_bytes=1, call_bytes=1)
    assert sent(gate, UPLOAD, [b"xx"], 2).all("content-type")[0].startswith("text/plain")
    call = sent(gate, CALL, [b"xx"], 2).json
    assert call["error"] == call["detail"]


async def slow(receive_after: float, gate: Any) -> list[int]:
    """An upload that pauses for so long after its first piece: the statuses it was answered."""
    pieces, statuses = [b"x"], []

    async def receive() -> dict[str, Any]:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(), "more_body": True}
        await asyncio.sleep(receive_after)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    scope = {"type": "http", "method": "POST", "path": UPLOAD, "query_string": b"",
             "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
             "scheme": "http"}  # fmt: skip
    await gate(scope, receive, send)
    return [status for status in statuses if status]


def test_a_body_that_does_not_go_on_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(bodies, "DRAINED", (1000, 0.05))
    assert asyncio.run(slow(30, make_gate(tmp_path))) == [408]


def test_a_body_that_comes_by_drops_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", -1.0)
    assert sent(make_gate(tmp_path), UPLOAD, [b"x"] * 3).status == 408
    assert sent(make_gate(tmp_path), UPLOAD, [b"x" * 50_000] * 3).status == 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    return tmp_path / "parts"


def writes_parts(folder: Path) -> Any:
    """An app that writes each body into a passing file first, as Gradio does, and then gives it its name."""
    make = noting(tempfile.NamedTemporaryFile)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        file = make(delete=False, dir=folder)
        async for piece in Request(scope, receive).stream():
            file.write(piece)
        file.close()
        os.rename(file.name, folder / "whole")
        await JSONResponse([])(scope, receive, send)

    return app


def test_an_upload_that_is_cut_leaves_nothing_and_a_whole_one_stays(folder: Path) -> None:
    gate = make_gate(folder.parent, app=writes_parts(folder), request_bytes=1000)
    sent(gate, UPLOAD, [b"x" * 100] * 3, 900, cut=True)
    assert list(folder.iterdir()) == []
    assert sent(gate, UPLOAD, [b"x" * 100] * 30).status == 413
    assert list(folder.iterdir()) == []
    assert sent(gate, UPLOAD, [b"x" * 100] * 3, 300).status == 200
    assert [file.name for file in folder.iterdir()] == ["whole"]


def test_a_cut_upload_takes_no_part_of_another_along(folder: Path) -> None:
    make = noting(tempfile.NamedTemporaryFile)
    with no_parts_left():
        other = Path(make(delete=False, dir=folder).name)
    outside = Path(make(delete=False, dir=folder).name)
    assert (other.exists(), outside.exists()) == (False, True)


def test_what_a_killed_server_left_is_swept_and_nothing_else(folder: Path) -> None:
    old, new, kept = (folder / name for name in ("tmpold", "tmpnew", "other"))
    for file in (old, new, kept):
        file.write_bytes(b"x")
    (folder / "tmpfolder").mkdir()
    for path in (old, kept, folder / "tmpfolder"):
        os.utime(path, (time.time() - 7200,) * 2)
    sweep_parts(folder)
    assert {path.name for path in folder.iterdir()} == {"tmpnew", "other", "tmpfolder"}
    sweep_parts(folder / "not there")

"""The gate as a whole: what passes is untouched, what breaks is a sentence, every answer says how it may be used."""

from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from tests.ui.gate.asking import LAN, ask, make_gate
from ui.gate.budgets import FLOOD
from ui.gate.origins import Place
from ui.gate.persons import NOBODY, person_of, role_of


def test_streams_pass_piece_by_piece(tmp_path: Path) -> None:
    answer = ask(make_gate(tmp_path), "/gradio_api/queue/data")
    assert [piece for piece in answer.pieces if piece] == [b"one\n\n", b"two\n\n"]


def test_a_stream_is_not_waited_for(tmp_path: Path) -> None:
    """A piece is out before the next one is made."""
    order: list[str] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            order.append(f"made {number}")
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": number < 2})

    class Watching(list[bytes]):
        def append(self, piece: bytes) -> None:
            order.append(f"sent {piece.decode()}")

    import tests.ui.gate.asking as asking

    class Seen(asking.Answer):
        def __init__(self) -> None:
            super().__init__(pieces=Watching())

    original, asking.Answer = asking.Answer, Seen  # type: ignore[misc]
    try:
        ask(make_gate(tmp_path, app=app))
    finally:
        asking.Answer = original  # type: ignore[misc]
    assert order == [f"{word} {number}" for number in range(3) for word in ("made", "sent")]


@pytest.mark.parametrize("place", [Place(), LAN])
def test_every_answer_says_how_it_may_be_used(place: Place, tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=place, call_bytes=1)
    for answer in (
        ask(gate),
        ask(gate, "/x", "POST", headers={"content-length": "5"}, body=[b"xxxxx"]),
        ask(gate, "/breaks"),
    ):
        assert answer.all("x-content-type-options") == ["nosniff"]
        assert answer.all("referrer-policy") == ["same-origin"]
        assert answer.all("content-security-policy") == ["frame-ancestors 'self'"]


def test_a_space_stands_in_the_hubs_frame(tmp_path: Path) -> None:
    (policy,) = ask(make_gate(tmp_path, place=Place(local=False, space=True))).all("content-security-policy")
    assert "https://huggingface.co" in policy


def test_what_breaks_is_a_sentence_and_no_path(tmp_path: Path) -> None:
    answer = ask(make_gate(tmp_path), "/breaks")
    assert answer.status == 500
    assert answer.json["error"].startswith("Something unexpected")
    assert "secret" not in answer.text


def test_a_flood_is_refused_with_when_to_come_back_and_files_of_the_page_do_not_count(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=LAN, minute_requests=50)
    assert [ask(gate, "/assets/x.js").status for _ in range(100)] == [200] * 100
    assert [ask(gate, "/x").status for _ in range(50)] == [200] * 50
    answer = ask(gate, "/x")
    assert answer.status == 429
    assert answer.all("retry-after") in (["1"], ["2"])
    assert ask(gate, "/x", client="192.168.1.9").status == 200


@pytest.mark.parametrize("address", ["file=http://169.254.169.254/latest/", "file=HTTPS://example.org/a.png",
                                     "proxy=http://x/", "file/http://[fe80::1]/", "file=http:/127.0.0.1/",
                                     "file=https://10.0.0.1/x"])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nobody_has_the_server_fetch_an_address(address: str, method: str, tmp_path: Path) -> None:
    assert ask(make_gate(tmp_path), f"/gradio_api/{address}", method).status == 404
    assert ask(make_gate(tmp_path), "/gradio_api/file=/tmp/http.png").status == 200


def test_a_call_past_the_gate_is_nobodys() -> None:
    assert (person_of(object()), role_of(None)) == (NOBODY, "")


def test_gradios_question_whether_it_serves_is_answered_at_once(tmp_path: Path) -> None:
    """It waits 3 s for a whole page of 600 kB, then ends the program: on a busy computer that was a start in vain."""
    gate = make_gate(tmp_path)
    assert (ask(gate, method="HEAD").status, ask(gate, method="HEAD").text) == (200, "")
    assert "person" in ask(gate, "/config", "HEAD").text


def test_after_a_few_refusals_the_queue_is_not_asked_again_at_once(tmp_path: Path) -> None:
    asked: list[str] = []

    async def full(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await JSONResponse({"detail": "later"}, 429, {"Retry-After": "9"})(scope, receive, send)

    gate = make_gate(tmp_path, app=full)
    answers = [ask(gate, "/gradio_api/queue/join", "POST", body=[b"{}"]) for _ in range(20)]
    assert [answer.status for answer in answers] == [429] * 20
    assert [int(answer.all("retry-after")[0]) for answer in answers] == [9] * 20
    assert "come back in" in answers[-1].json["detail"]
    assert len(asked) == FLOOD
    ask(gate, "/gradio_api/queue/join", "POST", body=[b"{}"], client="127.0.0.9")
    ask(gate, "/gradio_api/call/predict", "POST", body=[b"{}"])
    assert len(asked) == FLOOD + 2  # another person, and another call

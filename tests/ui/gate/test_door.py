"""The door: everything is behind it, whoever has the code comes in, by page, form, password or cookie."""

import asyncio
import base64
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.ui.gate.asking import CODES, LAN, Answer, ask, make_gate
from ui.gate.codes import Codes
from ui.gate.gate import Gate
from ui.gate.origins import Place

FORM = {"content-type": "application/x-www-form-urlencoded"}
PAGE = {"accept": "text/html,application/xhtml+xml"}
DOORS = [
    ("GET", "/"), ("HEAD", "/"), ("GET", "/config"), ("GET", "/openapi.json"), ("GET", "/docs"),
    ("GET", "/gradio_api/info"), ("GET", "/gradio_api/openapi.json"), ("POST", "/gradio_api/reset"), ("POST",
    "/gradio_api/cancel"),
    ("GET", "/gradio_api/deep_link"), ("GET", "/gradio_api/heartbeat/x"), ("GET", "/gradio_api/startup-events"),
    ("POST", "/gradio_api/upload"), ("POST", "/gradio_api/queue/join"), ("GET", "/gradio_api/queue/data"),
    ("POST", "/gradio_api/run/predict"), ("POST", "/gradio_api/call/predict"),
    ("GET", "/gradio_api/file=/etc/hostname"), ("POST", "/gradio_api/stream/x"), ("POST", "/gradio_api/vibe-code"),
    ("GET", "/monitoring"), ("PUT", "/login"),
    ("GET", "/assets/index.js"), ("GET", "//config"), ("GET", "/login/../config"), ("GET", "/LOGIN"), ("OPTIONS", "/x"),
    ("GET", "/health"), ("GET", "/login/callback"), ("DELETE", "/"),
]  # fmt: skip


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return make_gate(tmp_path, place=LAN, codes=CODES)


def came(gate: Gate, **more: Any) -> Answer:
    return ask(gate, client="192.168.1.7", **more)


def login(gate: Gate, headers: dict[str, str] | None = None, person: str = "192.168.1.7", **fields: str) -> Answer:
    body = [urlencode(fields).encode()]
    return ask(gate, "/login", "POST", headers=FORM | (headers or {}), body=body, client=person)


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_everything_is_behind_the_door(method: str, path: str, gate: Gate) -> None:
    answer = came(gate, path=path, method=method)
    assert answer.status in (401, 403)
    assert "person" not in answer.text
    assert came(
        gate, path=path, method=method, headers={"cookie": "tl-role=teacher", "x-tl-role": "teacher"}
    ).status in (
        401,
        403,
    )


def test_a_websocket_is_behind_it_too(gate: Gate) -> None:
    assert came(gate, kind="websocket").closed == 1008
    assert came(gate, kind="websocket", headers=login(gate, code="beekeeper").cookies).status == 101


@pytest.mark.parametrize(
    ("code", "role"), [("ants-and-bees", "pupil"), ("beekeeper", "teacher"), (" beekeeper\n", "teacher")]
)
@pytest.mark.parametrize("field", ["code", "password"])
def test_the_right_code_lets_in_with_its_role(code: str, role: str, field: str, gate: Gate) -> None:
    answer = login(gate, username="any", **{field: code})
    assert (answer.status, answer.json) == (200, {"success": True})
    assert came(gate, headers=answer.cookies).json["role"] == role


def test_a_form_of_parts_is_read_too_as_gradios_other_client_sends_it(gate: Gate) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nbeekeeper\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert ask(gate, "/login", "POST", headers=headers, body=[body]).status == 200


@pytest.mark.parametrize(
    ("headers", "body"),
    [(FORM, b"code=\xff\xfe"), (FORM, b"&".join([b"a=b"] * 50)), (FORM, b""),
     ({"content-type": "multipart/form-data"}, b"x"), ({"content-type": "multipart/form-data; boundary=b"},
     b"no parts"), ({}, b"{}"), (FORM, b"next=/"),
     ({"content-type": "multipart/form-data; boundary=b"},
      b'--b\r\nContent-Disposition: form-data; name="code"; filename="x"\r\n\r\nbeekeeper\r\n--b--\r\n')],
)  # fmt: skip
def test_a_form_that_is_none_is_answered_in_a_sentence(headers: dict[str, str], body: bytes, gate: Gate) -> None:
    answer = ask(gate, "/login", "POST", headers=headers, body=[body])
    assert answer.status in (400, 401)
    assert answer.json["error"].endswith(".")


def test_a_form_as_long_as_a_zip_is_not_read(gate: Gate) -> None:
    assert ask(gate, "/login", "POST", headers=FORM, body=[b"code=" + b"x" * 9_000] * 1000).status == 413


@pytest.mark.slow
def test_a_wrong_code_is_told_costs_a_second_and_gives_nothing(gate: Gate) -> None:
    began = time.monotonic()
    answer = login(gate, code="ants-and-bee")
    assert time.monotonic() - began >= 1
    assert answer.status == 401  # what Gradio's client takes for a wrong password
    assert answer.all("set-cookie") == []
    login(gate, code="ants-and-bee")
    login(gate, code="ants-and-bee")
    assert login(gate, code="ants-and-bees").status == 429
    assert login(gate, person="192.168.1.8", code="ants-and-bees").status == 200


@pytest.mark.slow
def test_curl_sends_the_code_as_a_password_under_any_name(gate: Gate) -> None:
    assert came(gate, path="/gradio_api/info", headers=basic("any:ants-and-bees")).json["role"] == "pupil"
    assert came(gate, path="/gradio_api/info", headers=basic(":beekeeper")).json["role"] == "teacher"
    for odd in ({"authorization": "Basic !"}, {"authorization": "Basic " + "4" * 9}):
        assert came(gate, headers=odd).status == 400
    assert came(gate, headers={"authorization": "Bearer hf_x"}).status == 401
    assert [came(gate, headers=basic(f"any:{wrong}")).status for wrong in ("wrong", "", "ants")] == [401] * 3
    assert came(gate, headers=basic("any:ants-and-bees")).status == 429


def test_a_cookie_that_was_made_up_changed_or_is_of_another_code_lets_nobody_in(gate: Gate, tmp_path: Path) -> None:
    cookie = login(gate, code="ants-and-bees").cookies["cookie"]
    name, _, value = cookie.partition("=")
    forged = (
        value.replace("pupil", "teacher"),
        value[:-1] + "0" * (value[-1] != "0"),
        "teacher",
        "teacher-1-none.x",
        "-.-",
    )
    assert [came(gate, headers={"cookie": f"{name}={other}"}).status for other in forged] == [401] * len(forged)
    other_code = make_gate(tmp_path, place=LAN, codes=Codes(pupil="wasps-and-bees"))
    assert came(other_code, headers={"cookie": cookie}).status == 401
    same_code = make_gate(tmp_path, place=LAN, codes=CODES)  # started anew
    assert came(same_code, headers={"cookie": cookie}).json["role"] == "pupil"


def test_a_code_lasts_as_long_as_a_link_does(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = login(gate, code="ants-and-bees").cookies
    now = time.time()
    monkeypatch.setattr("ui.gate.door.time.time", lambda: now + 6 * 86400)
    assert came(gate, headers=cookie).status == 200
    monkeypatch.setattr("ui.gate.door.time.time", lambda: now + 8 * 86400)
    assert came(gate, headers=cookie).status == 401


def test_a_browser_outside_gets_the_page_with_one_field_and_where_it_wanted_to_go(gate: Gate) -> None:
    answer = came(gate, path="/?run=abc&x=%22%3E%3Cscript%3E", headers=PAGE)
    assert answer.status == 401
    assert re.findall(r'<input[^>]* type="(?!hidden)(\w+)"', answer.text) == ["password"]
    assert 'value="/?run=abc&amp;x=%22%3E%3Cscript%3E"' in answer.text
    assert "http" not in answer.text.replace("http-equiv", "")  # nothing of another host
    (policy, _) = answer.all("content-security-policy")
    assert "default-src 'none'" in policy
    assert answer.all("referrer-policy") == ["same-origin"]
    assert len(answer.all("set-cookie")) == 1  # who they are, not that they are in


def test_the_form_leads_on_to_where_one_wanted_to_go_and_to_no_other_site(gate: Gate) -> None:
    wanted = [("/?run=abc", "/?run=abc"), ("//evil.example", "/"), ("/\\evil.example", "/"),
              ("http://evil.example", "/"), ("/login", "/"), ("/login/?x", "/"), ("/\r\nSet-Cookie: a=b", "/"),
              ("javascript:alert(1)", "/"), ("", "/")]  # fmt: skip
    for given, after in wanted:
        answer = login(gate, PAGE, code="beekeeper", next=given)
        assert (answer.status, answer.all("location")) == (303, [after])


@pytest.mark.slow
def test_a_wrong_code_is_said_beside_the_field_as_text(gate: Gate) -> None:
    answer = login(gate, PAGE, code="wrong", next='"><script>alert(1)</script>')
    assert answer.status == 401
    assert 'role="alert">That code is not the right one' in answer.text
    assert "<script>alert" not in answer.text
    login(gate, PAGE, code="wrong")
    login(gate, PAGE, code="wrong")
    again = login(gate, PAGE, code="wrong")
    assert again.status == 429
    assert "try again in" in again.text


def test_another_site_logs_nobody_in(gate: Gate) -> None:
    assert login(gate, {"origin": "http://evil.example"}, code="beekeeper").status == 403


def test_a_page_without_codes_has_no_door(tmp_path: Path) -> None:
    gate = make_gate(tmp_path)
    assert ask(gate, headers=basic("any:thing")).json == {"person": "address:127.0.0.1", "role": "", "bytes": 0}
    assert ask(gate, "/login", "POST", headers=FORM, body=[b"code=x"]).json["bytes"] == 6


def test_a_tunnel_from_this_computer_is_not_this_computer(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=Place(local=False, forwarded=True), codes=CODES)
    assert ask(gate, "/gradio_api/startup-events").status == 200  # Gradio asks itself
    for headers in (
        {"host": "abc.gradio.live"},
        {"x-forwarded-for": "8.8.8.8"},
        {"x-forwarded-host": "abc.gradio.live"},
    ):
        assert ask(gate, "/gradio_api/startup-events", headers=headers).status == 401
        assert ask(gate, "/health", headers=headers).status == 403


def test_pupils_who_come_together_all_come_in(gate: Gate) -> None:
    async def thirty() -> list[int]:
        return list(await asyncio.gather(*(asyncio.to_thread(lambda: login(gate, code="ants-and-bees").status)
                                           for _ in range(3))))  # fmt: skip

    assert [login(gate, code="ants-and-bees").status for _ in range(30)] == [200] * 30
    assert asyncio.run(thirty()) == [200] * 3

"""Which hosts a page answers to, and from which sites it takes something."""

import socket
from pathlib import Path

import pytest

from tests.ui.gate.asking import LAN, Answer, ask, make_gate
from ui.gate.origins import Place, split_host

ANY = Place(listens="0.0.0.0")
SHARED = Place(local=False, forwarded=True)
SPACE = Place(local=False, forwarded=True, space=True)
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:7860",
        "127.0.0.1",
        "localhost:7860",
        "LOCALHOST:7860",
        "localhost.:7860",
        "[::1]:7860",
        "127.0.0.2:80",
    ],
)
def test_a_page_at_home_answers_to_this_computers_names(host: str, tmp_path: Path) -> None:
    assert ask(make_gate(tmp_path), headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example:7860", "localhost.evil.example", "192.168.1.7:7860",
     "[2001:db8::1]:7860", "127.0.0.1:7860@evil.example", "evil.example/127.0.0.1", "localhost, evil.example",
     "2130706433", "localhosts", "lοcalhost", "0.0.0.0:7860"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_a_page_at_home_answers_to_no_other_name(host: str, method: str, tmp_path: Path) -> None:
    """A site whose name points to this computer is, for a browser, the page itself."""
    refused = ask(make_gate(tmp_path), method=method, raw=[("host", host.encode().decode("latin-1"))])
    assert refused.status in (400, 403)
    assert refused.json["error"].endswith(".")


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1", "evil.example"], ["127.0.0.1", "127.0.0.1"], [""], ["[::1"]])
def test_a_request_names_one_host(hosts: list[str], tmp_path: Path) -> None:
    assert ask(make_gate(tmp_path, place=LAN), raw=[("host", host) for host in hosts]).status == 400


def test_the_host_that_was_given_is_its_own_name(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=Place(listens="192.168.1.7"))
    assert ask(gate, headers={"host": "192.168.1.7:7860"}).status == 200
    assert ask(gate, headers={"host": "192.168.1.8:7860"}).status == 403


def test_a_page_on_all_addresses_answers_to_the_one_that_was_reached_and_to_its_name(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=ANY)
    assert ask(gate, headers={"host": "192.168.1.7:7860"}, server="192.168.1.7").status == 200
    assert ask(gate, headers={"host": f"{socket.gethostname()}:7860"}).status == 200
    assert ask(gate, headers={"host": "192.168.1.7:7860"}, server="10.0.0.2").status == 403
    assert ask(gate, headers={"host": "evil.example"}, server="192.168.1.7").status == 403


def test_with_lan_any_name_of_the_computer_will_do(tmp_path: Path) -> None:
    assert ask(make_gate(tmp_path, place=LAN), headers={"host": "class-laptop.local:7860"}).status == 200


def test_a_host_is_split_into_its_plain_name_and_port() -> None:
    assert split_host("[0:0::1]:80") == ("::1", 80)
    assert split_host("A.Example.") == ("a.example", None)
    assert split_host("a:b") is split_host("a b") is split_host("[a]") is split_host("") is None


def posted(place: Place, folder: Path, headers: dict[str, str], path: str = UPLOAD, method: str = "POST") -> Answer:
    return ask(make_gate(folder, place=place), path, method, headers=headers, body=[b"x"])


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://127.0.0.1:7860", "http://127.0.0.1:7861", "http://localhost:7860", "null", "",
     "http://127.0.0.1:7860.evil.example", "file://", "http://127.0.0.1", "127.0.0.1:7860", "http://127.0.0.1:7860/x",
     "http://user@127.0.0.1:7860", "chrome-extension://127.0.0.1:7860"],
)  # fmt: skip
@pytest.mark.parametrize(("path", "method"), [(UPLOAD, "POST"), (JOIN, "POST"), (JOIN, "PUT"), ("/login", "DELETE")])
def test_nothing_is_taken_from_another_site(origin: str, path: str, method: str, tmp_path: Path) -> None:
    """Whatever its content type says: a form of text/plain asks for no leave."""
    same_name = origin == "https://127.0.0.1:7860"  # another scheme, the same port: a proxy before it speaks https
    status = posted(Place(), tmp_path, {"origin": origin, "content-type": "text/plain"}, path, method).status
    assert status == (200 if same_name else 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_hides_where_from_still_says_that_it_is_elsewhere(site: str, tmp_path: Path) -> None:
    assert posted(Place(), tmp_path, {"sec-fetch-site": site}).status == 403
    assert posted(Place(), tmp_path, {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:7860"}).status == 403


@pytest.mark.parametrize(
    ("host", "origin"),
    [("127.0.0.1:7860", "http://127.0.0.1:7860"), ("LOCALHOST:7860", "http://localhost:7860"),
     ("[::1]:7860", "http://[::1]:7860"), ("localhost.:7860", "http://localhost:7860"), ("localhost", "http://localhost"),
     ("localhost:80", "http://localhost"), ("localhost", "https://localhost:443")],
)  # fmt: skip
def test_what_the_page_itself_sends_is_taken(host: str, origin: str, tmp_path: Path) -> None:
    headers = {"host": host, "origin": origin, "sec-fetch-site": "same-origin"}
    assert posted(Place(), tmp_path, headers).json["bytes"] == 1


def test_programs_say_no_origin_and_go_on(tmp_path: Path) -> None:
    assert posted(Place(), tmp_path, {"user-agent": "curl/8"}).status == 200


def test_two_origins_are_none(tmp_path: Path) -> None:
    own = "http://127.0.0.1:7860"
    raw = [("host", "127.0.0.1:7860"), ("origin", own), ("origin", "http://evil.example")]
    assert ask(make_gate(tmp_path), UPLOAD, "POST", raw=raw, body=[b"x"]).status == 403


def test_behind_a_tunnel_or_on_a_space_the_name_asked_for_counts(tmp_path: Path) -> None:
    headers = {"host": "127.0.0.1:7860", "x-forwarded-host": "abc.gradio.live", "origin": "https://abc.gradio.live"}
    assert posted(SHARED, tmp_path, headers).status == posted(SPACE, tmp_path, headers).status == 200
    assert posted(LAN, tmp_path, headers).status == 403  # there nobody stands before it who could say so
    assert posted(Place(), tmp_path, headers).status == 403
    assert posted(SHARED, tmp_path, headers | {"origin": "https://evil.example"}).status == 403
    # A script may set that header, but not hide that its site is another.
    lied = {"host": "abc.gradio.live", "x-forwarded-host": "evil.example", "origin": "https://evil.example"}
    assert posted(SHARED, tmp_path, lied | {"sec-fetch-site": "cross-site"}).status == 403


@pytest.mark.parametrize("path", ["/gradio_api/deep_link", "/gradio_api/heartbeat/x", "/gradio_api/file=/x", "/logout"])
def test_other_sites_neither_hold_a_stream_nor_show_what_is_here(path: str, tmp_path: Path) -> None:
    gate = make_gate(tmp_path)
    assert ask(gate, path, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).status == 403
    assert ask(gate, path, headers={"origin": "http://evil.example"}).status == 403
    assert ask(gate, path, headers={"sec-fetch-site": "same-origin"}).status == 200
    assert ask(gate, path).status == 200


def test_a_link_on_another_site_opens_the_page(tmp_path: Path) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "accept": "text/html"}
    assert ask(make_gate(tmp_path), "/?run=abc", headers=headers).status == 200


def test_a_websocket_of_another_site_is_closed(tmp_path: Path) -> None:
    gate = make_gate(tmp_path)
    assert ask(gate, kind="websocket", headers={"origin": "http://evil.example"}).closed == 1008
    assert ask(gate, kind="websocket", headers={"host": "evil.example"}).closed == 1008
    assert ask(gate, kind="websocket", headers={"origin": "http://127.0.0.1:7860"}).status == 101

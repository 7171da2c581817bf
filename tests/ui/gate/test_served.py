"""The gate before the real page, over real sockets: what clients that exist send, and what strangers do."""

import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AuthenticationError

from tests.serving import Server

CODE, TEACHERS = "ants-and-bees", "beekeeper"
MODELS = {"data": [""], "session_hash": "me"}
PART = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="a.bin"\r\n\r\n'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As `python app.py` serves it."""
    server = Server(tmp_path_factory.mktemp("home"), flags=("--no-spare",))
    try:
        yield server.start(180)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As --lan serves it, on this computer only."""
    flags = ("--no-spare", "--lan", "--host", "127.0.0.1", "--access-code", CODE, "--teacher-code", TEACHERS)
    server = Server(tmp_path_factory.mktemp("coded"), flags=flags)
    try:
        yield server.start(180)
    finally:
        server.stop()


def arrived(server: Server) -> set[str]:
    """What stands in the folder that uploads go to; the first one makes it."""
    assert server.process is not None
    folder = Path(tempfile.gettempdir(), f"tl-page-{server.process.pid}")
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def ends_with(server: Server, before: set[str], seconds: float = 10) -> bool:
    """Whether that folder is soon as it was before."""
    end = time.monotonic() + seconds
    while arrived(server) != before and time.monotonic() < end:
        time.sleep(0.05)
    return arrived(server) == before


def raw(server: Server, request: bytes, *, read: bool = True) -> bytes:
    """What is answered to bytes; without `read` the sender goes away at once."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(request)
        if not read:
            time.sleep(0.3)  # a piece of it is being written
            return b""
        answer = b""
        while piece := link.recv(65536):
            answer += piece
        return answer


def upload(server: Server, *headers: bytes, body: bytes = b"") -> bytes:
    lines = (b"POST /gradio_api/upload HTTP/1.1", b"Host: 127.0.0.1:%d" % server.port, b"Connection: close",
             b"Content-Type: multipart/form-data; boundary=b", *headers)  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_a_cut_upload_leaves_nothing(home: Server) -> None:
    before = arrived(home)
    body = PART % b"files" + b"x" * 3_000_000
    raw(home, upload(home, b"Content-Length: 50000000", body=body), read=False)
    assert ends_with(home, before)


def test_a_body_that_ends_before_its_last_boundary_leaves_nothing(home: Server) -> None:
    before = arrived(home)
    body = PART % b"files" + b"x" * 1000
    assert b"HTTP/1.1 200" in raw(home, upload(home, b"Content-Length: %d" % len(body), body=body))
    assert ends_with(home, before)


def test_files_under_another_field_leave_nothing(home: Server) -> None:
    before = arrived(home)
    body = PART % b"other" + b"x" * 1000 + b"\r\n--b--\r\n"
    raw(home, upload(home, b"Content-Length: %d" % len(body), body=body))
    assert ends_with(home, before)


def test_too_many_bytes_in_pieces_are_cut_and_leave_nothing(coded: Server) -> None:
    """A shared page takes 250 MB in one go; who does not say how much it is sends in pieces."""
    before = arrived(coded)

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            yield PART % b"files" if number == 0 else b"\r\n" + PART % b"files"
            for _ in range(99):
                yield b"x" * 1_000_000

    headers = {"Content-Type": "multipart/form-data; boundary=b", "Accept": "*/*"}
    answer = httpx.post(
        f"{coded.url}/gradio_api/upload", content=pieces(), headers=headers, auth=("any", CODE), timeout=120
    )
    assert answer.status_code == 413
    assert answer.text.startswith("That is ")
    assert ends_with(coded, before)


@pytest.mark.parametrize("field", [b"y", b"files"])
def test_a_field_that_is_no_file_is_not_held_in_memory(field: bytes, home: Server) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % field + b"x" * 100_000 + b"\r\n--b--\r\n"
    assert b"HTTP/1.1 400" in raw(home, upload(home, b"Content-Length: %d" % len(body), body=body))


def test_a_long_upload_is_refused_before_it_is_sent(home: Server) -> None:
    answer = raw(home, upload(home, b"Expect: 100-continue", b"Content-Length: 9000000000"))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"the most in one go is 1,100.0 MB" in answer


@pytest.mark.parametrize(
    "hosts", [b"Host: evil.example", b"Host: 127.0.0.1\r\nHost: evil.example", b"", b"Host: 127.0.0.1.evil.example:80"]
)
def test_a_foreign_or_a_second_host_is_refused(hosts: bytes, home: Server) -> None:
    lines = b"GET /config HTTP/1.1\r\n" + hosts + (b"\r\n" if hosts else b"") + b"Connection: close\r\n\r\n"
    assert raw(home, lines)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403")


@pytest.mark.parametrize("path", ["upload", "queue/join", "run/models", "cancel", "reset"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_another_site_has_nothing_posted(origin: str, path: str, home: Server) -> None:
    headers = {"Origin": origin, "Content-Type": "text/plain"}
    before = arrived(home)
    answer = httpx.post(f"{home.url}/gradio_api/{path}", content=b'{"data": [""]}', headers=headers)
    assert answer.status_code == 403
    assert "another web site" in answer.text
    assert arrived(home) == before


FILES = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//....//etc/passwd",
         "/etc/passwd%00.png", "/etc//passwd", "//etc/passwd", "/proc/self/environ", "/proc/self/../self/environ",
         "/dev/stdin", "file:///etc/passwd",
         "app.py", "./app.py", "~/.bashrc", "\\etc\\passwd", "C:%5Cwindows%5Cwin.ini",
         "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/",
         "http://127.0.0.1:{port}/config", "https://localhost/",
         "{tmp}/../../etc/passwd", "{tmp}/%2e%2e/%2e%2e/etc/passwd", "{tmp}"]  # fmt: skip


@pytest.mark.parametrize("form", ["file=", "file/"])
@pytest.mark.parametrize("name", FILES)
def test_no_form_of_an_address_reaches_a_file_of_the_host(name: str, form: str, home: Server) -> None:
    assert home.process is not None
    folder = f"{tempfile.gettempdir()}/tl-page-{home.process.pid}"
    path = name.replace("{tmp}", folder).replace("{port}", str(home.port))
    line = f"GET /gradio_api/{form}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = raw(home, line.encode())
    assert answer[9:12] in (b"400", b"403", b"404")
    assert b"root:" not in answer
    assert b"TL_" not in answer


def test_uploads_and_downloads_of_the_page_itself_go_on(home: Server) -> None:
    own = {"Origin": home.url, "Sec-Fetch-Site": "same-origin"}
    (path,) = httpx.post(f"{home.url}/gradio_api/upload", files={"files": ("a.txt", b"hello")}, headers=own).json()
    assert httpx.get(f"{home.url}/gradio_api/file={path}").text == "hello"


def test_health_is_told_at_home(home: Server) -> None:
    figures = httpx.get(f"{home.url}/health").json()
    assert figures["status"] == "ok"
    assert str(home.folder) not in str(figures)


DOORS = {
    "GET": ("/config", "/openapi.json", "/docs", "/gradio_api/info", "/gradio_api/openapi.json",
    "/gradio_api/queue/status",
            "/gradio_api/deep_link?session_hash=x", "/gradio_api/heartbeat/x", "/gradio_api/app_id", "/theme.css",
            "/gradio_api/file=/etc/hostname", "/monitoring", "/gradio_api/token", "/assets/x.js"),
    "POST": tuple(f"/gradio_api/{name}" for name in (
            "reset", "cancel", "upload", "queue/join", "run/models", "call/models", "vibe-code", "component_server",
            "stream/x", "stream/x/close", "call/v2/models")),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, paths in DOORS.items() for path in paths])
def test_gradios_open_doors_are_behind_the_code(method: str, path: str, coded: Server) -> None:
    assert httpx.request(method, f"{coded.url}{path}", json={}).status_code == 401


def test_gradios_client_comes_in_with_the_code_under_any_name(coded: Server) -> None:
    client = Client(coded.url, auth=("any", CODE), verbose=False)
    assert {model["name"] for model in client.predict("", api_name="/models")} >= {"imagenet"}
    with pytest.raises(AuthenticationError):
        Client(coded.url, verbose=False)


def test_a_wrong_code_of_gradios_client_is_one_to_it(coded: Server) -> None:
    with pytest.raises(AuthenticationError):
        Client(coded.url, auth=("any", "wasps-and-flies"), verbose=False)
    log = (coded.folder / "server.log").read_text()
    assert "a wrong access code from 127.0.0.1, number 1" in log
    assert "wasps" not in log


@pytest.mark.parametrize("code", [CODE, TEACHERS])
def test_curl_comes_in_with_the_code_as_password(code: str, coded: Server) -> None:
    time.sleep(1)  # a wrong one may have come before
    answer = httpx.post(f"{coded.url}/gradio_api/run/models", json=MODELS, auth=("any", code), timeout=60)
    assert answer.status_code == 200
    assert "imagenet" in answer.text


def test_the_cookie_outlives_a_restart(coded: Server) -> None:
    with httpx.Client(base_url=coded.url) as browser:
        assert browser.post("/login", data={"code": CODE}).json() == {"success": True}
        coded.kill()
        coded.start(180)
        assert browser.get("/config", timeout=60).status_code == 200
        assert (browser.get("/").headers["referrer-policy"]) == "same-origin"


def test_the_codes_stand_in_no_file(coded: Server) -> None:
    kept = [file for file in coded.folder.rglob("*") if file.is_file() and file.name != "server.log"]
    assert not [file for file in kept if CODE.encode() in file.read_bytes()]
    lines = (coded.folder / "server.log").read_text().splitlines()
    assert {line for line in lines if CODE in line} == {f"Access code: {CODE}"}


def test_one_who_guesses_waits_and_others_do_not(coded: Server) -> None:
    asked: Callable[[str], httpx.Response] = lambda code: httpx.post(f"{coded.url}/login", data={"code": code})  # noqa: E731
    with httpx.Client(base_url=coded.url, headers={"Accept": "text/html"}) as other:
        other.get("/")  # a browser gets to know who it is
        for _ in range(3):
            asked("wrong-wrong")
        refused = asked("wrong-wrong")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert other.post("/login", data={"code": CODE}).status_code == 303

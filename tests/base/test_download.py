"""Downloads from a server on this machine that misbehaves in every way a server can."""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tl_engine.base.download import DownloadError, download, reachable

CONTENT = bytes(range(256)) * 12_000  # 3 MB: several chunks
Reply = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@contextmanager
def serving(reply: Reply) -> Iterator[str]:
    """A server on 127.0.0.1 that answers every GET with `reply`; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/weights-1.2.pth"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def whole(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT)


def without_length(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(CONTENT)


def dies_midway(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])


def dies_midway_in_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"ffff\r\n" + CONTENT[:1000])
    handler.close_connection = True


def not_found(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 mail.example.org\r\n")


def wrong_length(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "many")
    handler.end_headers()


def refusal(url: str, path: Path, **options: str) -> str:
    """What is said of a failed download, after checking that nothing was left or changed."""
    before = {p: p.read_bytes() for p in path.parent.iterdir()}
    with pytest.raises(DownloadError) as caught:
        download(url, path, **options)
    assert {p: p.read_bytes() for p in path.parent.iterdir()} == before
    assert str(path.parent) not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("reply", [whole, without_length])
def test_a_download_arrives_whole_and_alone(reply: Reply, tmp_path: Path) -> None:
    path = tmp_path / "new" / "weights-1.2.pth"
    with serving(reply) as url:
        download(url, path, sha256_prefix=hashlib.sha256(CONTENT).hexdigest()[:8])
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_wrong_hash_leaves_nothing(tmp_path: Path) -> None:
    with serving(whole) as url:
        text = refusal(url, tmp_path / "weights-1.2.pth", sha256_prefix="0badc0de")
    assert text.startswith("weights-1.2.pth arrived damaged")


@pytest.mark.parametrize("reply", [whole, dies_midway])
def test_a_failed_download_keeps_the_earlier_file(reply: Reply, tmp_path: Path) -> None:
    path = tmp_path / "weights-1.2.pth"
    path.write_bytes(b"earlier")
    with serving(reply) as url:
        refusal(url, path, sha256_prefix="0badc0de")
    assert path.read_bytes() == b"earlier"


def test_a_server_that_dies_midway_leaves_nothing(tmp_path: Path) -> None:
    with serving(dies_midway) as url:
        text = refusal(url, tmp_path / "weights-1.2.pth")
    assert "127.0.0.1 (broke off after 1,536,000 of 3,072,000 bytes)" in text


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (dies_midway_in_chunks, "IncompleteRead"),
        (not_found, "HTTP Error 404: Not Found"),
        (no_http, "220 mail"),
        (wrong_length, "many"),
    ],
)
def test_a_misbehaving_server_is_a_sentence(reply: Reply, reason: str, tmp_path: Path) -> None:
    with serving(reply) as url:
        text = refusal(url, tmp_path / "weights-1.2.pth")
    assert text.startswith("weights-1.2.pth could not be downloaded from 127.0.0.1 (")
    assert reason in text


def test_progress_is_told_and_ends_with_everything(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with serving(whole) as url:
        download(url, tmp_path / "weights", on_progress=lambda done, total: told.append((done, total)))
    assert len(told) >= 2
    assert told == sorted(told)
    assert {total for _, total in told} == {len(CONTENT)}
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    def cancel(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with serving(whole) as url, pytest.raises(KeyboardInterrupt):
        download(url, tmp_path / "weights", on_progress=cancel)
    assert list(tmp_path.iterdir()) == []


def test_two_downloads_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with serving(whole) as url:
        digest = hashlib.sha256(CONTENT).hexdigest()
        threads = [
            threading.Thread(target=download, args=(url, path), kwargs={"sha256_prefix": digest}) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_an_unreachable_host_fails_within_seconds(tmp_path: Path) -> None:
    started = time.perf_counter()
    text = refusal(f"http://127.0.0.1:{closed_port()}/x", tmp_path / "x")
    assert text == "127.0.0.1 cannot be reached from here"
    assert time.perf_counter() - started < 5


def test_a_look_up_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (waiting.wait(10), [])[1])
    started = time.perf_counter()
    assert not reachable("https://example.invalid/x", seconds=0.2)
    assert time.perf_counter() - started < 2
    waiting.set()


def test_a_proxy_set_for_others_still_lets_the_probe_fail_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    assert refusal(f"http://127.0.0.1:{closed_port()}/x", tmp_path / "x") == "127.0.0.1 cannot be reached from here"


def test_a_folder_that_cannot_be_made_is_a_sentence_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with serving(whole) as url, pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "file" / "weights")
    assert str(tmp_path) not in str(caught.value)


def test_a_header_goes_to_the_host_that_was_named_and_no_further(tmp_path: Path) -> None:
    seen: list[str | None] = []

    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get("Authorization"))
        whole(handler)

    with serving(elsewhere) as there:

        def sends_on(handler: BaseHTTPRequestHandler) -> None:
            seen.append(handler.headers.get("Authorization"))
            handler.send_response(302)
            handler.send_header("Location", there)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with serving(sends_on) as here:
            download(here, tmp_path / "x", headers={"Authorization": "Bearer secret"})
    assert seen == ["Bearer secret", None]


def test_more_bytes_than_were_agreed_are_not_taken(tmp_path: Path) -> None:
    for reply in (whole, without_length):
        with serving(reply) as url, pytest.raises(DownloadError, match="larger than 1,000,000 bytes"):
            download(url, tmp_path / "x", most_bytes=1_000_000)
    assert list(tmp_path.iterdir()) == []

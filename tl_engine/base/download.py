"""Downloads that fail fast: a probe with a deadline first, then a stream into a temporary file, its hash checked."""

import hashlib
import http.client
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tl_engine.base.errors import EngineError
from tl_engine.base.files import appearing
from tl_engine.base.progress import OnProgress

PROBE_SECONDS = 4.0
STALL_SECONDS = 20.0  # a started download may pause this long
CHUNK = 1 << 20  # bytes


class DownloadError(EngineError):
    """Something could not be downloaded; the text says why, callers add what works without it."""


def reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether the host of `url` takes a connection, answered within `seconds` even where name look-ups hang."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    answer: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
            answer.append(True)
        except OSError:
            pass

    # getaddrinfo has no time-out of its own, so it gets a thread that may be left behind.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answer)


def download(
    url: str,
    path: Path,
    *,
    sha256_prefix: str = "",
    on_progress: OnProgress | None = None,
    headers: Mapping[str, str] | None = None,
    most_bytes: int | None = None,
) -> None:
    """Fetch `url` into `path`, whole or not at all. Raises DownloadError within seconds when there is no network.

    `headers` go to the host of `url` and not to where it may send on: they can hold a token.
    """
    host = urllib.parse.urlsplit(url).hostname
    if not proxied(url) and not reachable(url):
        raise DownloadError(f"{host} cannot be reached from here")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path, durable=True) as partial:
            digest = _stream(url, partial, on_progress, headers or {}, most_bytes)
            if not digest.startswith(sha256_prefix):
                raise DownloadError(f"{path.name} arrived damaged: its hash is not the published one")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"{path.name} could not be downloaded from {host} ({_why(error)})") from None


def hub_endpoint() -> str:
    """The address of the Hugging Face hub, or of the one that HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def proxied(url: str) -> bool:
    """Whether a proxy connects for us: then the probe would test the wrong thing. `no_proxy` alone is no proxy."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.netloc)


def _why(error: Exception) -> str:
    """The reason without the path that an OSError's own text names."""
    if isinstance(error, urllib.error.HTTPError):
        return str(error)
    reason = getattr(error, "reason", None) or error
    return " ".join(str(getattr(reason, "strerror", None) or reason).split())[:160]


def _stream(
    url: str, partial: Path, on_progress: OnProgress | None, headers: Mapping[str, str], most_bytes: int | None
) -> str:
    digest, request = hashlib.sha256(), urllib.request.Request(url)
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    with urllib.request.urlopen(request, timeout=STALL_SECONDS) as answer, partial.open("wb") as file:
        total, done, told = int(answer.headers.get("Content-Length") or 0), 0, 0.0
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if most_bytes is not None and done > most_bytes:
                raise DownloadError(f"it is larger than {most_bytes:,} bytes")
            if on_progress and time.monotonic() - told > 0.25:
                told = time.monotonic()
                on_progress(done, total)
        if done < total:  # Python before 3.12 reads a connection that died as the end of the file
            raise OSError(f"broke off after {done:,} of {total:,} bytes")
        if on_progress:
            on_progress(done, total)
    return digest.hexdigest()

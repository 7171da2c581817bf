"""A page in a process of its own for tests: started on a free port of 127.0.0.1, stopped by its process id."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import psutil

PROJECT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """`python app.py` over folders of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self) -> Path:
        """Its runs."""
        return self.folder / "runs"

    def start(self, seconds: float = 180) -> "Server":
        """Start it and wait until it answers."""
        folders = ["--runs", str(self.runs), "--data-dir", str(self.folder / "data")]
        environment = os.environ | {"TL_UPLOADS": str(self.folder / "uploads"), "OMP_NUM_THREADS": "1"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py", "--port", str(self.port), *folders, *self.flags],
                cwd=PROJECT, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                httpx.get(self.url, timeout=5)
                return self
            except httpx.HTTPError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.1)
        raise AssertionError("the page did not start")

    def kill(self) -> None:
        """End it the hard way; trainings go on."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it and every training it started."""
        self.kill()
        for file in self.runs.glob("*/process.json"):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(json.loads(file.read_text())["pid"])
                if "tl_engine" in " ".join(process.cmdline()):
                    process.kill()


@contextlib.contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of this process on a free port of 127.0.0.1 for as long as the context lasts: its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

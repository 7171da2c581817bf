"""One visitor of the page over plain HTTP: uploads, queued calls with their stream, and polls, as a browser does it.

Each has an address of its own (127.0.1.N), since an address is a person where nobody signs in.
"""

import json
import secrets
import time
from pathlib import Path
from typing import Any

import httpx

PATIENCE = 600.0  # seconds until a call counts as failed


class RefusedError(Exception):
    """The page answered with something else than an answer."""


class Pupil:
    """A browser's session. Make it with `async with`."""

    def __init__(self, url: str, number: int, names: dict[str, int]) -> None:
        self.names = names  # handler -> its number on the page
        self.session = secrets.token_hex(6)
        transport = httpx.AsyncHTTPTransport(local_address=f"127.0.1.{number % 250 + 1}")
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE, transport=transport)

    async def __aenter__(self) -> "Pupil":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def upload(self, *photos: Path) -> list[dict[str, Any]]:
        """Send files in one request; what calls name them by."""
        files = [("files", (photo.name, photo.read_bytes())) for photo in photos]
        answer = await self.http.post("/gradio_api/upload", files=files)
        if answer.status_code != httpx.codes.OK:
            raise RefusedError(answer.text[:200])
        meta = {"_type": "gradio.FileData"}
        return [{"path": p, "orig_name": f.name, "meta": meta} for p, f in zip(answer.json(), photos, strict=True)]

    async def join(self, name: str, *inputs: Any) -> httpx.Response:
        """Put a call into the queue."""
        body = {"fn_index": self.names[name], "data": list(inputs), "session_hash": self.session}
        return await self.http.post("/gradio_api/queue/join", json=body)

    async def call(self, name: str, *inputs: Any) -> list[Any]:
        """A queued call and its answer. Raises RefusedError."""
        joined = await self.join(name, *inputs)
        if joined.status_code != httpx.codes.OK:
            raise RefusedError(f"{joined.status_code}: {joined.text[:200]}")
        async with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            async for line in stream.aiter_lines():
                said = json.loads(line[6:]) if line.startswith("data: ") else {}
                if said.get("msg") == "process_completed":
                    if not said.get("success"):
                        raise RefusedError(str(said.get("output"))[:200])
                    return list(said["output"]["data"])
        raise RefusedError("the stream ended without an answer")

    async def poll(self, name: str, *inputs: Any) -> list[Any]:
        """A call past the queue. Raises RefusedError."""
        body = {"fn_index": self.names[name], "data": list(inputs), "session_hash": self.session}
        answer = await self.http.post("/gradio_api/run/predict", json=body)
        if answer.status_code != httpx.codes.OK:
            raise RefusedError(f"{answer.status_code}: {answer.text[:200]}")
        return list(answer.json()["data"])

    async def predict(self, photo: Path, classifier: str = "imagenet") -> float:
        """Seconds from the choice of a photo to its answer on the page. Raises RefusedError."""
        started = time.perf_counter()
        (sent,) = await self.upload(photo)
        answer = await self.call("predict_photo", sent, classifier, 0.98, "")
        if not str(answer[0]).count("confidences"):
            raise RefusedError(f"no answer: {str(answer)[:200]}")
        return time.perf_counter() - started


def handlers(config: dict[str, Any]) -> dict[str, int]:
    """Handler -> its number, of a page's /config; of several with one name the first, of followers the timer's."""
    found: dict[str, int] = {}
    for one in config["dependencies"]:
        name = str(one.get("api_name") or "")
        found.setdefault(name, one["id"])
        if name.startswith("follow_run") and any(kind == "tick" for _, kind in one["targets"]):
            found["poll"] = one["id"]
        if name.startswith("follow_report") and any(kind == "tick" for _, kind in one["targets"]):
            found["poll report"] = one["id"]
    return found

"""A gate before a tiny app, and requests to it as they come from a socket: any header, any piece of a body."""

import asyncio
import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from tl_engine.base.settings import HOME, Limits, Settings
from ui.gate.codes import Codes
from ui.gate.gate import Gate, Gates
from ui.gate.origins import Place
from ui.gate.persons import person_of, role_of

LOCAL = Place()
LAN = Place(local=False)
CODES = Codes(pupil="ants-and-bees", teacher="beekeeper")
Headers = dict[str, str]


async def tiny(scope: Scope, receive: Receive, send: Send) -> None:
    """Says who asked and how much came; streams where it is asked to."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    request = Request(scope, receive)
    if scope["path"] == "/gradio_api/queue/data":
        await StreamingResponse(iter(["one\n\n", "two\n\n"]), media_type="text/event-stream")(scope, receive, send)
        return
    if scope["path"] == "/breaks":
        raise ZeroDivisionError("/home/host/secret")
    size = len(await request.body())
    answer = {"person": person_of(request), "role": role_of(request), "bytes": size}
    await JSONResponse(answer)(scope, receive, send)


@dataclass
class Answer:
    """What was sent back."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    closed: int = 0  # the code of a websocket that was refused

    @property
    def text(self) -> str:
        """The body."""
        return b"".join(self.pieces).decode()

    @property
    def json(self) -> Any:
        """The body as an object."""
        return json.loads(self.text)

    def all(self, name: str) -> list[str]:
        """Every header of a name."""
        return [value for key, value in self.headers if key == name]

    @property
    def cookies(self) -> Headers:
        """What a browser would send back."""
        return {"cookie": "; ".join(value.partition(";")[0] for value in self.all("set-cookie"))}


def make_gate(
    folder: Path, *, place: Place = LOCAL, codes: Codes | None = None, app: Any = tiny, **limits: int
) -> Gate:
    """A gate over folders of its own."""
    own: Limits = dataclasses.replace(HOME, **{"free_bytes": 0, **limits})
    settings = Settings(runs=folder / "runs", uploads=folder / "uploads", cache=folder / "cache", limits=own)
    return Gate(app, Gates(settings=settings, disk=folder, place=place, codes=codes))


def ask(
    gate: Any,
    path: str = "/",
    method: str = "GET",
    *,
    headers: Headers | None = None,
    raw: Iterable[tuple[str, str]] | None = None,
    body: Iterable[bytes] = (),
    cut: bool = False,
    kind: str = "http",
    client: str = "127.0.0.1",
    server: str = "127.0.0.1",
) -> Answer:
    """One request. `raw` are all its headers, where they are to be odd; `cut`: the sender goes before it has ended."""
    given = list(raw) if raw is not None else [*{"host": "127.0.0.1:7860", **(headers or {})}.items()]
    path, _, query = path.partition("?")
    scope: Scope = {
        "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "scheme": "http", "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "client": (client, 1000),
        "server": (server, 7860), "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in given],
    }  # fmt: skip
    return asyncio.run(_asked(gate, scope, list(body), cut))


async def _asked(gate: Any, scope: Scope, pieces: list[bytes], cut: bool) -> Answer:
    answer, ended = Answer(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if pieces:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces) or cut}
        if not cut and not ended.is_set():
            ended.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        if not cut:
            await asyncio.Event().wait()  # the client stays and says nothing more
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(k.decode().lower(), v.decode("latin-1")) for k, v in message["headers"]]
        elif message["type"] == "http.response.body":
            answer.pieces.append(message.get("body", b""))
        elif message["type"] == "websocket.close":
            answer.closed = message["code"]
        elif message["type"] == "websocket.accept":
            answer.status = 101

    if pieces and not cut:
        ended.set()
    await gate(scope, receive, send)
    return answer

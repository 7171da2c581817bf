"""The gate: every request passes it before Gradio sees a byte, and what may not go on is answered here.

In this order: is it for this page (Host), who is it, are there too many, is it from this page (Origin), have they come
in (the code), is there too much in it. A plain ASGI layer: answers stream through it untouched.
"""

import asyncio
import logging
import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tl_engine.base.files import is_disk_full
from tl_engine.base.settings import Settings
from ui.gate.answers import UNEXPECTED, Refusal, answer, is_upload, path_of, wants_html
from ui.gate.bodies import Body, no_parts_left
from ui.gate.budgets import Budgets, Resting
from ui.gate.codes import Codes
from ui.gate.door import LOGIN, NEEDED, Door
from ui.gate.health import CRASH, Health
from ui.gate.origins import Place, foreign_host, foreign_site, is_own_address, split_host
from ui.gate.persons import PERSON, ROLE, Signer, Visitors, address_of, cookies_of, kept_key

LOG = logging.getLogger("tl_engine")
HEALTH = "/health"
TOO_MANY = 429
STARTED = "/gradio_api/startup-events"  # what Gradio asks itself before it says that it serves
LOOKS = ("/assets/", "/static/", "/svelte/", "/theme.css", "/favicon.ico")  # what every page loads by the dozen
BROKE = Refusal(500, UNEXPECTED)
FULL = Refusal(507, "The disk of this page is full, so nothing could be kept: tell its host, and try again later.")
NOT_YOURS = Refusal(403, "How this server is, is told to its own computer and to whoever gave an access code.")
# Gradio would fetch any address of the web for anybody who names it like a file.
FETCHES = re.compile(r"/+gradio_api/+(file[=/]\s*https?:|proxy=)", re.IGNORECASE)
NO_FILE = Refusal(404, "There is no such file.")
FRAMES = "frame-ancestors 'self'"
SPACE_FRAMES = f"{FRAMES} https://huggingface.co https://*.huggingface.co https://*.hf.space"
ALWAYS = {"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What the gate of one server goes by. Without `codes` everybody who reaches the page may use it."""

    settings: Settings
    disk: Path  # where uploads arrive
    place: Place
    codes: Codes | None = None


class Gate:
    """Wraps Gradio's app."""

    def __init__(self, app: ASGIApp, gates: Gates) -> None:
        self._app, self._gates, self._place = app, gates, gates.place
        self._limits = gates.settings.limits
        signer = Signer(kept_key(gates.settings.cache))
        self._visitors = Visitors(signer, self._limits.new_persons)
        self._budgets, self._resting = Budgets(self._limits), Resting()
        self._health = Health(gates.settings)
        self._door = Door(gates.codes, signer, self._place) if gates.codes else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or Gradio's life."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if refusal := foreign_host(scope, self._place):
            await _refuse(refusal, scope, receive, send)
            return
        cookies, address = cookies_of(scope), address_of(scope, self._place)
        known = self._visitors.known(cookies)
        person = known or f"address:{address}"
        new = None if known or not _opens_page(scope) else self._visitors.admit(address)
        scope[PERSON], scope[ROLE] = new or person, self._door.role_by(cookies) if self._door else ""
        send = self._dressed(send, self._visitors.cookie(new, self._place) if new else None)
        early = None if path_of(scope).startswith(LOOKS) else self._budgets.request(scope[PERSON], address)
        if refusal := early or foreign_site(scope, self._place):
            await _refuse(refusal, scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._pass(scope, receive, send, address)

    def _dressed(self, send: Send, cookie: str | None) -> Send:
        """Every answer says who may frame it, and that it is what it says."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                headers.append("Content-Security-Policy", SPACE_FRAMES if self._place.space else FRAMES)
                if cookie:
                    headers.append("Set-Cookie", cookie)
            await send(message)

        return dressed

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A websocket, by somebody who has come in."""
        if self._door and not scope[ROLE]:
            await _refuse(NEEDED, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, address: str) -> None:
        """A request that is ours to answer, one of somebody outside, or one for Gradio."""
        path, here = path_of(scope), self._is_here(scope)
        if self._door and not scope[ROLE]:
            role = await self._door.role_by_password(scope, scope[PERSON], address)
            if isinstance(role, Refusal):
                await _refuse(role, scope, receive, send)
                return
            scope[ROLE] = role
        if path == HEALTH:
            open_to = here or scope[ROLE] or self._place.space
            await (await self._told() if open_to else answer(NOT_YOURS, scope))(scope, receive, send)
        elif self._door and path == LOGIN and scope["method"] in ("GET", "HEAD", "POST"):
            await (await self._door.login(scope, receive, scope[PERSON], address))(scope, receive, send)
        elif self._door and not scope[ROLE] and not (here and path == STARTED):
            await self._door.refused(scope)(scope, receive, send)
        elif here and path == "/" and scope["method"] == "HEAD":
            await Response()(scope, receive, send)  # Gradio asks itself whether it serves; it ends after 3 s
        elif FETCHES.match(path):
            await _refuse(NO_FILE, scope, receive, send)
        else:
            await self._through(scope, receive, send, address)

    def _is_here(self, scope: Scope) -> bool:
        """Whether somebody at this computer asks. A tunnel comes from here too, but names another host."""
        peer = str((scope.get("client") or ("",))[0])
        headers = Headers(scope=scope)
        host = split_host(headers.get("host", ""))
        own = is_own_address(peer) and host is not None and is_own_address(host[0])
        return own and not any(name.startswith("x-forwarded-") for name in headers)

    async def _told(self) -> Response:
        figures = await asyncio.to_thread(self._health.figures)
        return JSONResponse(figures, headers={"Cache-Control": "no-store"})

    async def _through(self, scope: Scope, receive: Receive, send: Send, address: str) -> None:
        """On to Gradio, with its body counted; what it answers to a body that was cut is not the answer."""
        called = scope[PERSON], path_of(scope)
        if scope["method"] == "POST" and (refusal := self._resting.still(*called)):
            await _refuse(refusal, scope, receive, send)
            return
        body = Body(scope, receive, self._limits, self._budgets, self._gates.disk, (scope[PERSON], address))
        if refusal := body.announced():
            await _refuse_body(refusal, body, scope, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if started or not (body.refusal or body.left):
                started = True
                if message.get("status") == TOO_MANY:
                    wait = Headers(raw=list(message.get("headers", []))).get("retry-after", "")
                    self._resting.note(*called, float(wait) if wait.isdecimal() else 1.0)
                await send(message)

        broke = False
        try:
            with no_parts_left() if is_upload(scope) else nullcontext():
                await self._app(scope, body.receive, guarded)
        except Exception as error:  # whatever Gradio raises where its client went away, or was sent away
            if is_disk_full(error):
                body.refusal = body.refusal or FULL
            broke = not (body.refusal or body.left)
            if broke:
                LOG.exception("a request failed: %s", type(error).__name__, extra={CRASH: type(error).__name__})
            if started and not body.left:
                raise
        finally:
            body.settle()
        if not started and not body.left and (body.refusal or broke):
            await _refuse_body(body.refusal or BROKE, body, scope, send)


def _opens_page(scope: Scope) -> bool:
    """Whether a browser opens a page, rather than what belongs to one."""
    return scope["type"] == "http" and scope["method"] == "GET" and wants_html(scope)


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at what else was sent."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.sentence[:120]})
    else:
        await answer(refusal, scope)(scope, receive, send)


async def _refuse_body(refusal: Refusal, body: Body, scope: Scope, send: Send) -> None:
    """Answer, and let the sender finish within bounds: one who is cut off while sending does not read the answer."""
    response: Any = answer(refusal, scope)
    response.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    if "expect" not in Headers(scope=scope):
        await body.drain()
    await send({"type": "http.response.body", "body": b"", "more_body": False})

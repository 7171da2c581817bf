"""The door of a page that asks for a code: who has come in, the page with the one field, and what it is sent to."""

import base64
import binascii
import hashlib
import html
import time
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope

from ui.gate.answers import Refusal, answer, path_of, wants_html
from ui.gate.codes import Codes, Guesses
from ui.gate.origins import Place
from ui.gate.persons import Signer, cookie_header

LOGIN = "/login"
KEPT = 7 * 24 * 3600  # seconds that a right code lasts in a browser: as long as a shared link does
MOST_SENT = 8_000  # bytes of the form
WRONG = "That code is not the right one: look at it again and type it once more."
NEEDED = Refusal(401, "This page asks for an access code: open it in a browser, or send the code as a password.")
TOO_LONG = Refusal(413, "What was sent is longer than any access code.")
UNREADABLE = Refusal(400, "A code is sent as the form field code or password.")
TITLE = "This page asks for an access code"
HERE = Path(__file__).parent
PAGE, SCRIPT = ((HERE / name).read_text(encoding="utf-8") for name in ("door.html", "door.js"))
_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'"
)


class Door:
    """Asks for a code and remembers in a signed cookie who gave the right one, and which."""

    def __init__(self, codes: Codes, signer: Signer, place: Place, guesses: Guesses | None = None) -> None:
        self._codes, self._signer, self._place = codes, signer, place
        self._guesses = guesses or Guesses(codes)

    def role_by(self, cookies: dict[str, str]) -> str:
        """The role that a cookie of ours gives; "" for none, an old one, or one of a code that is no longer so."""
        text = self._signer.read("role", cookies.get(self._signer.name("role"), "")) or ""
        role, _, rest = text.partition("-")
        at, _, code = rest.partition("-")
        fresh = at.isdecimal() and time.time() - int(at) < KEPT
        return role if fresh and code == self._of_code(role) else ""

    def _of_code(self, role: str) -> str:
        code = self._codes.of_role(role)
        return self._signer.tag("code", code, 16) if code else "none"

    def _cookie(self, role: str) -> str:
        value = self._signer.signed("role", f"{role}-{int(time.time())}-{self._of_code(role)}")
        return cookie_header(self._signer.name("role"), value, KEPT, self._place)

    async def role_by_password(self, scope: Scope, person: str, address: str) -> str | Refusal:
        """The role of a code sent as HTTP Basic's password, under any name; "" where none is sent."""
        kind, _, text = Headers(scope=scope).get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return ""
        try:
            given = base64.b64decode(text, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return UNREADABLE
        role = await self._guesses.role_for(given, person, address)
        return role or Refusal(401, WRONG)

    async def login(self, scope: Scope, receive: Receive, person: str, address: str) -> Response:
        """What `GET` and `POST /login` answer."""
        request = Request(scope, receive)
        if request.method != "POST":
            return self.page(request.query_params.get("next", "/"))
        form = await _sent(request)
        if isinstance(form, Refusal):
            return answer(form, scope)
        given = form.get("code") or form.get("password") or ""
        after = form.get("next", "/")
        role = await self._guesses.role_for(given, person, address) or Refusal(401, WRONG)
        if isinstance(role, Refusal):
            return self.page(after, role) if wants_html(scope) else answer(role, scope)
        # A page of ours sends the form and is led on; Gradio's clients want to be told so.
        let_in: Response = (
            RedirectResponse(_within(after), 303) if wants_html(scope) else JSONResponse({"success": True})
        )
        let_in.headers.append("Set-Cookie", self._cookie(role))
        return let_in

    def refused(self, scope: Scope) -> Response:
        """The answer to whoever has not come in: the page with the field, or a sentence for a program."""
        if wants_html(scope) and scope["method"] in ("GET", "HEAD"):
            query = scope.get("query_string", b"").decode("latin-1")
            return self.page(f"{path_of(scope)}?{query}" if query else path_of(scope), Refusal(401, ""))
        return answer(NEEDED, scope)

    def page(self, after: str, refusal: Refusal | None = None) -> Response:
        """The page with the one field, and what was wrong before."""
        said = refusal.sentence if refusal else ""
        told = f'<p class="said" id="said" role="alert">{html.escape(said)}</p>\n' if said else ""
        body = PAGE
        for name, part in (("{title}", TITLE), ("{said}", told), ("{script}", SCRIPT),
                           ("{described}", ' aria-describedby="said" aria-invalid="true"' if said else ""),
                           ("{next}", html.escape(_within(after), quote=True))):  # fmt: skip
            body = body.replace(name, part)  # the last one is a visitor's
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        if refusal and refusal.wait:
            headers["Retry-After"] = str(int(refusal.wait) + 1)
        return HTMLResponse(body, refusal.status if refusal else 200, headers)


def _within(address: str) -> str:
    """An address of this page; the page itself where it is none, or where it would ask for a code again."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain and path_of({"path": address.partition("?")[0]}) != LOGIN else "/"


async def _sent(request: Request) -> dict[str, str] | Refusal:
    """The fields of a short form, as a browser, curl or Gradio's clients send one."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_SENT:
            return TOO_LONG
    try:
        if request.headers.get("content-type", "").startswith("multipart/"):
            return await _fields(request.headers, body)
        return {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=20).items()}
    except (ValueError, KeyError, MultiPartException):
        return UNREADABLE


async def _fields(headers: Headers, body: bytes) -> dict[str, str]:
    async def once():  # type: ignore[no-untyped-def]
        yield body

    form = await MultiPartParser(headers, once(), max_files=0, max_fields=20).parse()
    return {name: value for name, value in form.items() if isinstance(value, str)}

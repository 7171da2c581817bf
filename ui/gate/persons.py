"""Who asks: written into a request's scope by the gate, read by whoever must be fair or must know a teacher.

A browser is known by a signed cookie that nobody can make up; whoever has none is the address that they come from.
"""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import cookie_parser
from starlette.types import Scope

from tl_engine.base.files import write_whole
from tl_engine.visits.turns import Asker
from ui.gate.origins import Place

PERSON, ROLE = "tl_person", "tl_role"  # keys of an ASGI scope
NOBODY = "nobody"  # a call that came past the gate, as in a test of a handler
PUPIL, TEACHER = "pupil", "teacher"  # by the code that was given; "" where a page asks for none
KEY_FILE = "gate.key"  # in the cache folder
KEY_BYTES = 32
KEPT = 365 * 24 * 3600  # seconds that a browser stays who it is
HOUR = 3600.0
UNKNOWN = "unknown"


def person_of(request: Any) -> str:
    """A name for who sent a request (Gradio's or Starlette's), the same for all that they send.

    Not a secret, and no workspace: it says whose turn it is, never what they may see.
    """
    return str(_scope(request).get(PERSON, NOBODY))


def asker_of(request: Any, *, program: bool = False) -> Asker:
    """The same for whoever counts what a person has, and holds pupils to their lesson; nobody is no person."""
    person = person_of(request)
    return Asker("" if person == NOBODY else person, program=program, pupil=role_of(request) == PUPIL)


def role_of(request: Any) -> str:
    """PUPIL, TEACHER, or "" where the page asks nobody for a code."""
    return str(_scope(request).get(ROLE, ""))


def _scope(request: Any) -> dict[str, Any]:
    """The ASGI scope: a `gr.Request` wraps the request that has it; one made by hand has none."""
    inner = getattr(request, "request", None) or request
    scope = getattr(inner, "scope", None)
    return scope if isinstance(scope, dict) else {}


def kept_key(folder: Path) -> bytes:
    """The key of this installation, made once, for its owner's eyes only; where none can be kept, one for this time."""
    file = folder / KEY_FILE
    try:
        if not file.is_file() or len(file.read_bytes()) != KEY_BYTES:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(file, secrets.token_bytes(KEY_BYTES), private=True)
        return file.read_bytes()
    except OSError:
        return secrets.token_bytes(KEY_BYTES)


class Signer:
    """Values signed with a key. A purpose keeps one kind of cookie from being taken for another."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def tag(self, purpose: str, text: str, length: int = 32) -> str:
        """Letters that only the key's owner can find for this text."""
        return hmac.new(self._key, f"{purpose}|{text}".encode(), hashlib.sha256).hexdigest()[:length]

    def signed(self, purpose: str, text: str) -> str:
        """The text with its tag."""
        return f"{text}.{self.tag(purpose, text)}"

    def read(self, purpose: str, given: str) -> str | None:
        """The text, if its tag is right."""
        text, _, tag = given.rpartition(".")
        return text if hmac.compare_digest(tag.encode(), self.tag(purpose, text).encode()) else None

    def name(self, kind: str) -> str:
        """What a cookie is called: two installations on one computer share cookies, so each has its own names."""
        return f"tl-{kind}-{self.tag('name', kind, 8)}"


def cookies_of(scope: Scope) -> dict[str, str]:
    """What the browser kept for this page."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    return cookie_parser("; ".join(sent))


def cookie_header(name: str, value: str, seconds: int, place: Place) -> str:
    """A Set-Cookie header that no script reads. A Space's page stands in a frame of another site's."""
    where = "; SameSite=None; Secure; Partitioned" if place.space else "; SameSite=Lax"
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{where}"


def address_of(scope: Scope, place: Place) -> str:
    """Where a request came from; of an IPv6 address the part that its owner cannot change at will.

    Only on a Space a header says it: there each request comes through a proxy, which adds who it heard it from.
    """
    peer = str((scope.get("client") or (UNKNOWN,))[0])
    if place.space:
        told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = [hop.strip() for hop in ",".join(told).split(",")]
        peer = next((hop for hop in reversed(hops) if _is_public(hop)), peer)
    return _shortened(peer)


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _shortened(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text[:60]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))


class Visitors:
    """Browsers that are known by a cookie. An address gets so many new ones an hour, then it is one person itself."""

    def __init__(self, signer: Signer, new_persons: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._signer, self._most, self._clock = signer, new_persons, clock
        self._given: dict[str, list[float]] = {}

    def known(self, cookies: dict[str, str]) -> str | None:
        """The person of a cookie that is really ours."""
        return self._signer.read("person", cookies.get(self._signer.name("person"), ""))

    def admit(self, address: str) -> str | None:
        """A new person; None where this address had too many in the last hour."""
        now = self._clock()
        self._given = {key: times for key, times in self._given.items() if times[-1] > now - HOUR}
        times = [at for at in self._given.get(address, []) if at > now - HOUR]
        if len(times) >= self._most:
            return None
        self._given[address] = [*times, now]
        return f"browser:{secrets.token_hex(8)}"

    def cookie(self, person: str, place: Place) -> str:
        """The header that makes a browser this person from now on."""
        return cookie_header(self._signer.name("person"), self._signer.signed("person", person), KEPT, place)

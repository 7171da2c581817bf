"""Whether a request is for this page and from it: what the web sites do that a visitor has open beside it.

A browser lets any site send forms and files to any address, and a site may have its own name point to this computer.
Both say so in headers that no script can change: `Origin`, `Sec-Fetch-Site` and `Host`.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from ui.gate.answers import Refusal

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::([0-9]{1,5}))?", re.IGNORECASE | re.ASCII)
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
READS = ("GET", "HEAD", "OPTIONS")
# What only reads, and may be linked to; all other addresses of Gradio's answer for a session, hold a stream or change.
CALLS = ("/gradio_api/", "/logout", "/monitoring")
FOREIGN_HOST = "This page is served under the address of its own computer only: open it as the program printed it."
FOREIGN_SITE = "This came from another web site: the page takes only what was sent from its own address."
ONE_HOST = Refusal(400, "A request names one host in one Host header: this one does not.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page is served. `local`: to this computer, or to whom the host lets reach its address."""

    local: bool = True
    listens: str = "127.0.0.1"  # the --host given
    forwarded: bool = False  # whether a tunnel or a Space is before it, which says what it was asked for
    space: bool = False


def split_host(text: str) -> tuple[str, int | None] | None:
    """Name and port of a Host header, the name in its plain form; None for what is none."""
    found = HOST.fullmatch(text)
    if found is None:
        return None
    name, port = found[1].lower(), int(found[2]) if found[2] else None
    try:
        return str(ipaddress.ip_address(name.strip("[]"))), port
    except ValueError:
        return None if name.startswith("[") else (name, port)


def is_own_address(address: str) -> bool:
    """Whether that is this computer's address for itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def foreign_host(scope: Scope, place: Place) -> Refusal | None:
    """Refuses what was sent to a name that is not this page's."""
    named = Headers(scope=scope).getlist("host")
    host = split_host(named[0]) if len(named) == 1 else None
    if host is None:
        return ONE_HOST
    return None if not place.local or _serves(host[0], place, scope) else Refusal(403, FOREIGN_HOST)


def _serves(name: str, place: Place, scope: Scope) -> bool:
    if is_own_address(name):
        return True
    listens = (split_host(place.listens) or ("", None))[0]
    if listens not in ("0.0.0.0", "::"):
        return name == listens
    # Everybody may come in, by the number of the address that they reached or by this computer's name.
    reached = split_host(str((scope.get("server") or ("",))[0]))
    own = socket.gethostname().lower()
    return name in (own, f"{own}.local") or (reached is not None and name == reached[0])


def foreign_site(scope: Scope, place: Place) -> Refusal | None:
    """Refuses what another web site had a browser send. Programs send no Origin and go on; so do links and reads."""
    headers = Headers(scope=scope)
    fetched = headers.get("sec-fetch-site", "")
    if scope["type"] == "http" and scope["method"] in READS:
        if headers.get("sec-fetch-mode") == "navigate" or not str(scope["path"]).startswith(CALLS):
            return None
    elif fetched == "same-site" and "origin" not in headers:  # another port or name of the same computer
        return Refusal(403, FOREIGN_SITE)
    return Refusal(403, FOREIGN_SITE) if fetched == "cross-site" or _differs(headers, place) else None


def _differs(headers: Headers, place: Place) -> bool:
    """Whether a header says that it came from elsewhere than where it was sent to."""
    origins = headers.getlist("origin")
    if not origins:
        return False
    scheme, _, rest = origins[0].partition("://")
    origin, default = split_host(rest), PORTS.get(scheme.lower())
    if len(origins) > 1 or origin is None or default is None:  # "null" is one of these
        return True
    own = [headers.get("host", "")]
    if place.forwarded:
        own += headers.get("x-forwarded-host", "").split(",")[:1]
    asked = [split_host(name.strip()) for name in own]
    return all(host is None or (host[0], host[1] or default) != (origin[0], origin[1] or default) for host in asked)

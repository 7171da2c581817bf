"""The address that opens a lesson on a pupil's device, and the same as a picture for a camera."""

import ipaddress
import socket
from typing import Any

import gradio as gr
import segno

from ui.parts.wording import text


def lesson_link(request: gr.Request, shared: str | None, key: str, code: str) -> str:
    """The lesson's address. The code stands behind `#`: browsers send that part to nobody, so no log has it."""
    fragment = f"#code={code}" if code else ""
    return f"{pupils_origin(request, shared)}/?lesson={key}{fragment}"


def pupils_origin(request: Any, shared: str | None) -> str:
    """Where other devices find this page: as the teacher found it, unless that was by a name of this computer only."""
    if shared:
        return shared.rstrip("/")
    origin = request.headers.get("origin") or f"http://{request.headers.get('host', '')}"
    scheme, _, rest = origin.partition("://")
    host, _, port = rest.rpartition(":") if ":" in rest.rpartition("]")[2] else (rest, "", "")
    if not own_name(host) or (seen := network_address()) is None:
        return origin
    return f"{scheme}://{seen}{f':{port}' if port else ''}"


def own_name(host: str) -> bool:
    """Whether a host is this computer, to itself only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def network_address() -> str | None:
    """This computer's address in the local network, as far as it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of documentation: it only chooses the way out
            found: str = probe.getsockname()[0]
        except OSError:
            return None
    return None if own_name(found) or found == "0.0.0.0" else found


def qr_html(link: str) -> str:
    """The address as a QR code, dark on white in both colour modes, as cameras want it."""
    picture = segno.make(link, micro=False, error="m").svg_inline(border=4, dark="#000", light="#fff", omitsize=True)
    drawn = picture.replace("<svg ", '<svg role="img" aria-label="QR code of the link to the lesson" ', 1)
    return f'<div class="tl-qr">{drawn}</div><p class="tl-hint">{text(link, 300)}</p>'

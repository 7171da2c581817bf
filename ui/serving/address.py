"""Where the page listens: checked before Gradio tries, which ends in a traceback or goes on to another port."""

import contextlib
import errno
import os
import socket

from tl_engine.base.errors import ConfigError

PORT = "TL_PORT"
FIRST, LAST = 7860, 7959  # tried one after the other when no port is named
REASONS = {
    errno.EADDRINUSE: "is in use by another program",
    errno.EACCES: "needs more rights than this program has",
}


def wanted_port(flag: str | None) -> int | None:
    """The port of --port, else of TL_PORT or GRADIO_SERVER_PORT; None where none is named. Raises ConfigError."""
    text = flag or os.environ.get(PORT)
    if text and not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):
        raise ConfigError(f"port must be a whole number between 1 and 65535, got {text[:60]!r}: choose another --port.")
    return int(text) if text else None


def check_address(host: str, port: int | None) -> None:
    """Raise ConfigError, in a sentence, where nothing can listen at that address; without a port any would do."""
    plain = host.removeprefix("[").removesuffix("]")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(plain, port or 0, type=socket.SOCK_STREAM)[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as probe:
            if os.name == "posix":  # elsewhere it would let two programs share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if port and number in REASONS:
            raise ConfigError(f"Port {port} {REASONS[number]}: choose another --port.") from None
        raise ConfigError(
            f"{host[:80]!r} is no address of this computer: choose another --host, such as 127.0.0.1 or 0.0.0.0."
        ) from None

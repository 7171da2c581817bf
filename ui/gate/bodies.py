"""What arrives with a request: counted while it comes, cut where it is too much or does not go on, traces removed."""

import asyncio
import contextlib
import contextvars
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from tl_engine.base.settings import GIGABYTE, Limits
from tl_engine.base.words import size_words
from ui.gate.answers import Refusal, is_upload
from ui.gate.budgets import Budgets

IDLE_SECONDS = 30.0  # that a body may pause
GRACE_SECONDS, SLOWEST = 60.0, 10_000  # after the first it has to come with so many bytes a second
LOOK_EVERY = 16_000_000  # bytes between two looks at the disk
DRAINED = 64_000_000, 10.0  # bytes and seconds of a refused body that are thrown away, so that its sender gets to read
PART_SECONDS = 3600.0  # a file of an upload that is that old belongs to nobody any more
STOPPED = Refusal(408, "The upload stopped on its way: send it again.")
NOT_A_LENGTH = Refusal(400, "The length that was announced is no number: send it again.")
_parts: contextvars.ContextVar[list[Path]] = contextvars.ContextVar("parts")


class Body:
    """The body of one request of one person."""

    def __init__(
        self, scope: Scope, receive: Receive, limits: Limits, budgets: Budgets, disk: Path, who: tuple[str, str]
    ) -> None:
        self._scope, self._receive, self._limits, self._budgets = scope, receive, limits, budgets
        self._disk, self._who = disk, who
        self._began = time.monotonic()
        self._taken = self._came = self._looked = 0  # bytes
        self._most = limits.request_bytes if is_upload(scope) else limits.call_bytes
        self.ended = self.left = False  # all of it came; its sender went away
        self.refusal: Refusal | None = None

    def announced(self) -> Refusal | None:
        """What the length alone says, before a byte is read."""
        text = Headers(scope=self._scope).get("content-length", "0")
        if not (text.isascii() and text.isdecimal() and len(text) < 20):
            return NOT_A_LENGTH
        length = int(text)
        return self._too_much(length) or (self._take(length) if length else None)

    def _too_much(self, length: int) -> Refusal | None:
        if length > self._most:
            return Refusal(
                413, f"That is {size_words(length)}, the most in one go is {size_words(self._most)}: send less."
            )
        return self._no_room(length) if is_upload(self._scope) else None

    def _no_room(self, length: int) -> Refusal | None:
        try:
            free = shutil.disk_usage(self._disk if self._disk.exists() else self._disk.parent).free
        except OSError:
            return None
        if free - length >= self._limits.free_bytes:
            return None
        return Refusal(
            507, f"The disk of this page has {free / GIGABYTE:.1f} GB left, which it keeps free: tell its host."
        )

    def _take(self, amount: int) -> Refusal | None:
        refusal = self._budgets.bytes(*self._who, amount)
        self._taken += 0 if refusal else amount
        return refusal

    async def receive(self) -> Message:
        """The next piece; the client counts as gone where it may not go on."""
        if self.ended or self.refusal:
            return await self._receive() if self.ended else {"type": "http.disconnect"}
        try:
            message = await asyncio.wait_for(self._receive(), IDLE_SECONDS)
        except TimeoutError:
            self.refusal = STOPPED
            return {"type": "http.disconnect"}
        self.left = message["type"] == "http.disconnect"
        self.refusal = self._counted(len(message.get("body", b"")))
        self.ended = not (self.refusal or message.get("more_body", False))
        return {"type": "http.disconnect"} if self.refusal else message

    def _counted(self, size: int) -> Refusal | None:
        self._came += size
        late = time.monotonic() - self._began - GRACE_SECONDS - self._came / SLOWEST
        if late > 0 and size:
            return STOPPED
        if self._came > self._most:
            return self._too_much(self._came)
        if self._came > self._taken and (refusal := self._take(self._came - self._taken)):
            return refusal
        if self._came - self._looked > LOOK_EVERY and is_upload(self._scope):
            self._looked = self._came
            return self._no_room(0)
        return None

    async def drain(self) -> None:
        """Throw away what still comes of a refused body, within bounds: who is cut off reads no answer."""
        most, seconds = DRAINED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while most > 0 and not self.ended:
                    message = await self._receive()
                    most -= len(message.get("body", b""))
                    self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)

    def settle(self) -> None:
        """Give back what was announced and did not come."""
        if self._taken > self._came:
            self._budgets.give_back(*self._who, self._taken - self._came)


def noting(make: Callable[..., Any]) -> Callable[..., Any]:
    """A maker of temporary files that tells the upload which it works for; outside of one it is as before."""

    def noted(*values: Any, **named: Any) -> Any:
        made = make(*values, **named)
        with contextlib.suppress(LookupError):
            _parts.get().append(Path(made.name))
        return made

    return noted


@contextlib.contextmanager
def no_parts_left() -> Iterator[None]:
    """Whatever an upload wrote under a passing name is gone afterwards; what arrived whole has its own name by then."""
    parts: list[Path] = []
    token = _parts.set(parts)
    try:
        yield
    finally:
        _parts.reset(token)
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def sweep_parts(folder: Path, seconds: float = PART_SECONDS) -> None:
    """Remove what uploads left that ended with their server: files right in the folder, where nothing else lies."""
    with contextlib.suppress(OSError):
        for file in folder.glob("tmp*"):
            with contextlib.suppress(OSError):
                if file.is_file() and time.time() - file.stat().st_mtime > seconds:
                    file.unlink()

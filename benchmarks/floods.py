"""A client that floods the page, in a process of its own: who is beside it shares the cores with it and no more."""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import httpx

from benchmarks.pupil import Pupil

WAVE = 50  # calls under way at once
PAUSE = 10.0  # seconds between two floods
ADDRESS = 220  # of the rude client


@dataclass(frozen=True)
class Rude:
    """Who floods what."""

    url: str
    names: dict[str, int]
    photo: Path
    small: Sequence[Path]
    calls: int
    tables: int
    table: int  # photos in each

    async def joins(self, client: Pupil) -> None:
        """Calls of the page's own Predict, joined without waiting for their answers."""
        (sent,) = await client.upload(self.photo)
        await self.in_waves(lambda: client.join("predict_photo", sent, "imagenet", 0.98, ""))

    async def api_calls(self, client: Pupil) -> None:
        """The same of the endpoint for programs."""
        (sent,) = await client.upload(self.photo)
        body = {"data": [sent, "imagenet"]}
        await self.in_waves(lambda: client.http.post("/gradio_api/call/predict", json=body))

    async def direct_calls(self, client: Pupil) -> None:
        """The same in one round trip each."""
        (sent,) = await client.upload(self.photo)
        body = {"data": [sent, "imagenet"], "session_hash": client.session}
        await self.in_waves(lambda: client.http.post("/gradio_api/run/predict", json=body))

    async def in_waves(self, send: Callable[[], Awaitable[httpx.Response]]) -> None:
        """So many calls, again and again."""
        while True:
            await self.once(send)
            await asyncio.sleep(PAUSE)

    async def once(self, send: Callable[[], Awaitable[httpx.Response]]) -> list[int]:
        """So many calls, a wave at a time: their statuses."""
        codes: list[int] = []
        for start in range(0, self.calls, WAVE):
            answers = await asyncio.gather(*(send() for _ in range(min(WAVE, self.calls - start))))
            codes += [answer.status_code for answer in answers]
        return codes

    async def tables_at_once(self, client: Pupil) -> None:
        """Many photos at once, several times at once."""
        sent: list[Any] = []
        for start in range(0, self.table, 50):
            sent += await client.upload(*(self.small[n % len(self.small)] for n in range(start, start + 50)))
        asked = (client.call("predict_files", sent[: self.table], "imagenet") for _ in range(self.tables))
        await asyncio.gather(*asked, return_exceptions=True)


Flood = Callable[[Rude, Pupil], Coroutine[Any, Any, None]]


def run(rude: Rude, flood: Flood) -> None:
    """What that process does."""

    async def go() -> None:
        async with Pupil(rude.url, ADDRESS, rude.names) as client:
            await flood(rude, client)

    asyncio.run(go())


@contextmanager
def flooding(rude: Rude, flood: Flood) -> Iterator[SpawnProcess]:
    """The flood goes on while the context lasts."""
    process = multiprocessing.get_context("spawn").Process(target=run, args=(rude, flood), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()

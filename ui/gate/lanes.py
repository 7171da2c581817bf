"""Whose turn it is: work of different kinds in lanes of its own, and in each lane the persons in turn.

Gradio's queue takes calls as they come, one client's five hundred before anybody else's one, and bounds none that go
past it. All that is changed about Gradio is in `Lanes.install`; its tests fail where a newer Gradio does it otherwise.
"""

import asyncio
import functools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from typing import Any

import gradio as gr
from gradio.queueing import Event
from gradio.route_utils import get_fn
from starlette.exceptions import HTTPException

from tl_engine.base.settings import Limits
from ui.gate.answers import share_waits
from ui.gate.persons import NOBODY, person_of

# What is wired to what: no kind of work waits behind another.
PHOTO: dict[str, Any] = {"concurrency_id": "photo", "concurrency_limit": 4}
TABLES: dict[str, Any] = {"concurrency_id": "tables", "concurrency_limit": 4}
WHY: dict[str, Any] = {"concurrency_id": "why", "concurrency_limit": 4}
API: dict[str, Any] = {"concurrency_id": "api", "concurrency_limit": 4}
API_TABLES: dict[str, Any] = {"concurrency_id": "api-tables", "concurrency_limit": 4}
API_READS: dict[str, Any] = {"concurrency_id": "api-reads", "concurrency_limit": 8}  # of runs, and of lists
START: dict[str, Any] = {"concurrency_id": "start", "concurrency_limit": 4}  # trainings being checked and started
HALT: dict[str, Any] = {"concurrency_id": "halt", "concurrency_limit": 16}
PAST = ("past the queue", 16)  # polls and other quick reads, which Gradio lets past its queue
PART = 4  # of a lane one person has at most a fourth, so that who comes next finds room
TAKEN_UP = 0.005  # seconds between looks at what may begin; Gradio's thousand looks a second cost 4 % of a core
IDLE, CALM = 0.02, 2.0  # seconds between looks while nobody has called for so many seconds
SMOOTH = 0.2  # weight of the newest call in the seconds that a lane's calls take


def each(at_once: int) -> int:
    """How many calls of one person run together in a lane of so many."""
    return max(1, at_once // PART)


def who(request: Any) -> str:
    """Who asks; where the gate says nothing, the address that asks."""
    person = person_of(request)
    host = getattr(getattr(request, "client", None), "host", None)
    return f"address {host}" if person == NOBODY and host else person


class Turns(list[Event]):
    """A lane's waiting calls in the order they will run: a person's second after everybody's first."""

    served = ""  # whose call was taken last

    def append(self, event: Event) -> None:
        """Insert a call at its person's next turn."""
        event.tl_person = mine = who(event.request)  # type: ignore[attr-defined]
        taken = Counter([self.served])  # whoever runs, or ran last, has had this round's turn
        turn, place = self.of(mine) + taken[mine], 0
        for index, other in enumerate(self):
            person = person_in(other)
            if taken[person] <= turn:
                place = index + 1
            taken[person] += 1
        self.insert(place, event)

    def of(self, person: str) -> int:
        """How many calls of a person wait here."""
        return sum(person_in(event) == person for event in self)


def person_in(event: Event) -> str:
    """Whose call that is."""
    return str(getattr(event, "tl_person", NOBODY))


class Pace:
    """Seconds that a lane's calls take, the newest counting most."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def note(self, lane: str, seconds: float) -> None:
        """Learn from a call that has ended."""
        before = self._seconds.get(lane, seconds)
        self._seconds[lane] = before + SMOOTH * (seconds - before)

    def wait(self, lane: str, at_once: int, calls: int, persons: int) -> float:
        """Seconds until so many calls of one person are answered, beside so many persons with calls there."""
        crowd = max(1.0, persons * each(at_once) / at_once)
        return calls * self._seconds.get(lane, 1.0) / each(at_once) * crowd


class Lanes:
    """The turns of one page. Made once its queue is; all runs on the server's one loop, so nothing is locked."""

    def __init__(self, blocks: gr.Blocks, limits: Limits) -> None:
        self.blocks = blocks
        self.queue = blocks._queue
        self.most = limits.waiting_calls
        self.pace = Pace()
        self._direct = Counter[tuple[str, str]]()  # calls past the queue, waiting and running
        self._own: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._all: dict[str, asyncio.Semaphore] = {}
        self._calm: asyncio.TimerHandle | None = None
        # What Gradio does by itself at each of the places that `install` takes.
        self._push, self._make_queue = self.queue.push, self.queue.create_event_queue_for_fn
        self._process, self._postprocess = blocks.process_api, blocks.postprocess_data

    def install(self) -> None:
        """Put turns into Gradio's queue and before calls that go past it."""
        self.queue.push = self._push_within_share  # type: ignore[method-assign]
        self.queue.create_event_queue_for_fn = self._make_queue_with_turns  # type: ignore[method-assign]
        self.queue.get_events = self._next  # type: ignore[method-assign]
        self.blocks.process_api = self._process_in_turn  # type: ignore[method-assign]
        self.blocks.postprocess_data = self._postprocess_news  # type: ignore[method-assign]
        self.queue.sleep_when_free = IDLE
        # After each call Gradio makes a table of the last 10,000, for a page of statistics that is not served here.
        self.queue.ANALYTICS_MAX_EVENTS = 1
        self.queue.ANAYLTICS_CACHE_FREQUENCY = 10**12

    async def _push_within_share(self, body: Any, request: Any, username: Any) -> Any:
        """Take a call into the queue, unless its person has a share there already."""
        if body.fn_index is not None:
            self._check_share(get_fn(self.blocks, None, body), who(request))
        self._hurry()
        return await self._push(body, request, username)

    def _make_queue_with_turns(self, block_fn: Any) -> None:
        """Have a handler's lane take its calls in turn."""
        self._make_queue(block_fn)
        lane = self.queue.event_queue_per_concurrency_id[block_fn.concurrency_id]
        if not isinstance(lane.queue, Turns):
            lane.queue = Turns(lane.queue)

    async def _process_in_turn(self, *values: Any, **named: Any) -> Any:
        """Answer a call: one out of the queue has had its turn there, one past it waits for it here."""
        block_fn = named["block_fn"] if "block_fn" in named else values[0]
        lane, at_once = _lane_of(block_fn)
        answer = functools.partial(self._process, *values, **named)
        if named.get("event_id") is not None:
            return await self._timed(lane, answer)
        async with self._turn(lane, at_once, who(named.get("request"))):
            return await self._timed(lane, answer)

    async def _postprocess_news(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """An answer's outputs, but for those left alone: Gradio makes each of them anew, a millisecond each."""
        if not isinstance(predictions, dict) or not set(predictions) <= set(block_fn.outputs):
            return await self._postprocess(block_fn, predictions, state)
        news = {output: value for output, value in predictions.items() if not _skipped(value)}
        part = copy(block_fn)
        part.outputs = [output for output in block_fn.outputs if output in news]
        told = iter(await self._postprocess(part, news, state) if news else ())
        return [next(told) if output in news else gr.skip() for output in block_fn.outputs]

    def _hurry(self) -> None:
        """Look often, since somebody calls, until nobody has for a while."""
        self.queue.sleep_when_free = TAKEN_UP
        if self._calm:
            self._calm.cancel()
        self._calm = asyncio.get_running_loop().call_later(CALM, setattr, self.queue, "sleep_when_free", IDLE)

    def _next(self) -> tuple[list[Event], bool, str] | None:
        """The next call that may run: what Gradio's own `get_events` answers, which knows no persons."""
        lanes = list(self.queue.event_queue_per_concurrency_id.items())
        running = Counter((e.concurrency_id, person_in(e)) for job in self.queue.active_jobs if job for e in job)
        for name, lane in random.sample(lanes, len(lanes)):
            most = lane.concurrency_limit
            if most is not None and lane.current_concurrency >= most:
                continue
            for event in lane.queue:
                if most is None or running[name, person_in(event)] < each(most):
                    lane.queue.remove(event)
                    lane.queue.served = person_in(event)  # type: ignore[attr-defined]
                    return [event], False, name
        return None

    def _check_share(self, block_fn: Any, person: str) -> None:
        """Raise a 429, whose sentence Gradio's page shows, for a person whose share of a lane is waiting already."""
        name, at_once = _lane_of(block_fn)
        lane = self.queue.event_queue_per_concurrency_id.get(name)
        waiting = lane.queue.of(person) if lane and isinstance(lane.queue, Turns) else 0
        if lane and waiting >= self.most:
            persons = len({person_in(event) for event in lane.queue})
            seconds = self.pace.wait(name, at_once, waiting, persons)
            raise HTTPException(429, share_waits(seconds), {"Retry-After": str(max(1, round(seconds)))})

    @asynccontextmanager
    async def _turn(self, lane: str, at_once: int, person: str) -> AsyncIterator[None]:
        """A call past the queue: each person's one behind another, persons in turn. Raises gr.Error beyond a share."""
        key = (lane, person)
        if (calls := self._direct[key]) >= self.most:
            wait = self.pace.wait(lane, at_once, calls, sum(name == lane for name, _ in self._direct))
            raise gr.Error(share_waits(wait), print_exception=False)
        own = self._own.setdefault(key, asyncio.Semaphore(each(at_once)))
        everybody = self._all.setdefault(lane, asyncio.Semaphore(at_once))
        self._direct[key] += 1
        try:
            async with own, everybody:
                yield
        finally:
            self._direct[key] -= 1
            if not self._direct[key]:
                del self._direct[key], self._own[key]

    async def _timed(self, lane: str, call: Any) -> Any:
        started = time.monotonic()
        try:
            return await call()
        finally:
            self.pace.note(lane, time.monotonic() - started)


def _lane_of(block_fn: Any) -> tuple[str, int]:
    """The name of a handler's lane, and how many calls run in it at once."""
    if not block_fn.queue:
        return PAST
    limit = block_fn.concurrency_limit
    return str(block_fn.concurrency_id), limit if isinstance(limit, int) else 1


def _skipped(value: Any) -> bool:
    return isinstance(value, dict) and value == gr.skip()


def take_turns(blocks: gr.Blocks, limits: Limits) -> None:
    """Have persons take turns on a page whose queue is made."""
    Lanes(blocks, limits).install()

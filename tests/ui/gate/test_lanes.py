"""Persons take turns, each has a share, nothing goes past; on a small page served by the Gradio that is installed."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest

from tests.serving import free_port
from tl_engine.base.settings import HOME
from ui.gate.lanes import PART, Pace, Turns, each, take_turns, who
from ui.gate.persons import PERSON
from ui.serving.sessions import lighten_sessions

SHARE = 6  # calls that one person may have waiting on the page of these tests
LANE = {"concurrency_id": "photo", "concurrency_limit": 2}
WIDE = {"concurrency_id": "wide", "concurrency_limit": 2 * PART}


@dataclass
class Page:
    """A page whose handlers wait for `gate` and write down whom they served; the addresses are the persons."""

    url: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    served: list[str] = field(default_factory=list)
    together: Counter[str] = field(default_factory=Counter)  # calls of each person that run now
    most: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    queue: Any = None

    def idle(self) -> bool:
        """Whether nobody's call waits or runs, so that none of them is served in the middle of the next test."""
        return not (len(self.queue) or any(self.queue.active_jobs) or sum(self.together.values()))

    def work(self, name: str) -> str:
        with self.lock:
            self.served.append(name)
            self.together[name[0]] += 1
            self.most[name[0]] = max(self.most[name[0]], self.together[name[0]])
        self.gate.wait(120)
        time.sleep(0.01)
        with self.lock:
            self.together[name[0]] -= 1
        return name.upper()

    def chosen(self, name: str) -> Any:
        return gr.Dropdown(choices=[name], value=name)

    def lay_out(self) -> gr.Blocks:
        with gr.Blocks() as blocks:
            given, got, button = gr.Textbox(label="name"), gr.Textbox(), gr.Button()
            list_of_names = gr.Dropdown([])
            button.click(self.work, given, got, api_name="photo", **LANE)
            button.click(self.work, given, got, api_name="table", concurrency_id="tables", concurrency_limit=1)
            button.click(self.work, given, got, api_name="wide", **WIDE)
            button.click(self.work, given, got, api_name="past", queue=False)
            button.click(self.chosen, given, list_of_names, api_name="choose")
            button.click(lambda name: name, list_of_names, got, api_name="take")
            button.click(lambda: {got: gr.skip()}, None, [got, given], api_name="nothing", queue=False)
        return blocks


@pytest.fixture(scope="module")
def served() -> Iterator[Page]:
    page = Page()
    blocks = page.lay_out().queue(api_open=True)
    take_turns(blocks, replace(HOME, waiting_calls=SHARE))
    lighten_sessions()
    port = free_port()
    blocks.launch(server_port=port, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    page.url, page.queue = f"http://127.0.0.1:{port}", blocks._queue
    yield page
    page.gate.set()
    blocks.close(verbose=False)


@pytest.fixture
def page(served: Page) -> Iterator[Page]:
    served.gate.clear()
    served.served.clear()
    served.most.clear()
    yield served
    served.gate.set()
    end = time.monotonic() + 90
    while not served.idle():
        assert time.monotonic() < end
        time.sleep(0.05)


def client(page: Page, person: str) -> httpx.AsyncClient:
    """Somebody with an address of their own."""
    place = {"a": "127.0.0.2", "b": "127.0.0.3", "c": "127.0.0.4"}[person]
    return httpx.AsyncClient(base_url=page.url, timeout=120, transport=httpx.AsyncHTTPTransport(local_address=place))


async def join(http: httpx.AsyncClient, name: str, word: str) -> httpx.Response:
    return await http.post(f"/gradio_api/call/{name}", json={"data": [word]})


async def answer(http: httpx.AsyncClient, name: str, joined: httpx.Response) -> str:
    """The event and the data of a queued call."""
    stream = await http.get(f"/gradio_api/call/{name}/{joined.json()['event_id']}")
    return stream.text


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def lasting(work: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(work, 180))  # type: ignore[arg-type]


def test_a_person_who_comes_later_is_served_next(page: Page) -> None:
    async def work() -> None:
        async with client(page, "a") as a, client(page, "b") as b:
            for number in range(5):
                assert (await join(a, "table", f"a{number}")).status_code == 200
            await until(lambda: page.served == ["a0"])
            mine = await join(b, "table", "b0")
            page.gate.set()
            assert "B0" in await answer(b, "table", mine)
            await until(lambda: len(page.served) == 6)
            assert page.served.index("b0") == 1

    lasting(work())


def test_a_lane_never_waits_for_another(page: Page) -> None:
    async def work() -> None:
        async with client(page, "a") as a:
            await join(a, "table", "a-table")
            await join(a, "photo", "a-photo")
            await until(lambda: set(page.served) == {"a-table", "a-photo"})

    lasting(work())


def test_one_person_never_fills_a_lane(page: Page) -> None:
    async def work() -> None:
        async with client(page, "a") as a, client(page, "b") as b:
            for number in range(SHARE):
                await join(a, "wide", f"a{number}")
            await until(lambda: len(page.served) == each(2 * PART))
            await join(b, "wide", "b0")
            await until(lambda: "b0" in page.served)
            assert page.most["a"] == each(2 * PART) == 2

    lasting(work())


def test_more_than_a_share_is_refused_with_a_time_to_come_back(page: Page) -> None:
    async def work() -> None:
        async with client(page, "a") as a, client(page, "b") as b:
            await join(a, "table", "a0")
            await until(lambda: page.served == ["a0"])
            for number in range(SHARE):
                assert (await join(a, "table", f"a{number + 1}")).status_code == 200
            refused = await join(a, "table", "a-more")
            assert refused.status_code == 429
            assert refused.json()["detail"].startswith("As many of your calls wait here already")
            assert "come back in about" in refused.json()["detail"]
            assert int(refused.headers["Retry-After"]) >= 1
            assert (await join(a, "photo", "a-photo")).status_code == 200  # another lane has its own share
            assert (await join(b, "table", "b0")).status_code == 200
            page.gate.set()
            await until(lambda: len(page.served) == SHARE + 3)
            assert (await join(a, "table", "a-again")).status_code == 200

    lasting(work())


@pytest.mark.parametrize("name", ["photo", "past"])
def test_calls_past_the_queue_are_bounded_and_in_turn_too(page: Page, name: str) -> None:
    async def work() -> None:
        async with client(page, "a") as a, client(page, "b") as b:
            body = {"data": ["a"]}
            flood = [asyncio.create_task(a.post(f"/gradio_api/run/{name}", json=body)) for _ in range(SHARE)]
            most = each(LANE["concurrency_limit"] if name == "photo" else 16)  # type: ignore[arg-type]
            await until(lambda: len(page.served) == most)
            await asyncio.sleep(0.2)
            assert page.most["a"] == most
            refused = await a.post(f"/gradio_api/run/{name}", json=body)
            assert "come back in about" in refused.json()["error"]
            mine = asyncio.create_task(b.post(f"/gradio_api/run/{name}", json={"data": ["b"]}))
            await until(lambda: "b" in page.served)
            page.gate.set()
            assert (await mine).json()["data"] == ["B"]
            assert {(await call).status_code for call in flood} == {200}

    lasting(work())


@pytest.mark.slow
def test_five_hundred_joins_of_one_client_hold_nobody_up(page: Page) -> None:
    async def work() -> None:
        async with client(page, "a") as a, client(page, "b") as b:
            told = Counter[int]()
            for _ in range(20):  # a client with hundreds under way is busy with itself
                answers = await asyncio.gather(*(join(a, "photo", "a") for _ in range(25)))
                told.update(one.status_code for one in answers)
            assert told[200] + told[429] == 500
            assert SHARE <= told[200] <= SHARE + 1
            mine = await join(b, "photo", "b0")
            await until(lambda: "b0" in page.served)
            page.gate.set()
            assert "B0" in await answer(b, "photo", mine)

    lasting(work())


def test_a_session_remembers_the_choices_it_was_sent_and_no_copy_of_the_page(page: Page) -> None:
    async def work() -> None:
        async with client(page, "a") as a:
            names = {one["api_name"]: one["id"] for one in (await a.get("/config")).json()["dependencies"]}

            async def ask(name: str, value: str) -> httpx.Response:
                body = {"fn_index": names[name], "data": [value], "session_hash": "lasting"}
                return await a.post("/gradio_api/run/predict", json=body)

            assert "error" in (await ask("take", "mine")).json()
            assert "mine" in json.dumps((await ask("choose", "mine")).json()["data"])
            assert (await ask("take", "mine")).json()["data"] == ["mine"]
            said = await a.post("/gradio_api/run/nothing", json={"data": []})
            assert said.json()["data"] == [{"__type__": "update"}] * 2

    lasting(work())


def event(person: str) -> Any:
    return SimpleNamespace(request=SimpleNamespace(scope={PERSON: person}))


def test_turns_are_round_robin() -> None:
    line = Turns()
    for person in "aaabbc":
        line.append(event(person))
    assert [who(one.request) for one in line] == list("abcaba")


def test_who_asks_is_the_gates_word_else_an_address() -> None:
    host = SimpleNamespace(host="203.0.113.9")
    assert who(SimpleNamespace(scope={PERSON: "ann"}, client=host)) == "ann"
    assert who(SimpleNamespace(scope={}, client=host)) == "address 203.0.113.9"


def test_the_time_to_come_back_is_measured() -> None:
    pace = Pace()
    for _ in range(50):
        pace.note("photo", 2.0)
    assert pace.wait("photo", 8, 10, 1) == pytest.approx(10.0)  # two of a person run together
    assert pace.wait("photo", 8, 10, 8) == pytest.approx(20.0)  # eight persons want the places of four

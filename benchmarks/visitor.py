"""A visitor of the page without a browser: keeps what a page keeps, presses what a person presses, all over HTTP.

Reads the page's own /config, so whatever a press sends and changes is what it sends and changes in a browser.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.pupil import RefusedError

PATIENCE = 120.0  # seconds that an answer may take
Value = Any


class Visitor:
    """One open page. `kept` and `cookies` are what its browser keeps over a reload: the workspace, what is current."""

    def __init__(self, url: str, kept: dict[str, Value] | None = None, cookies: httpx.Cookies | None = None) -> None:
        self.client = httpx.Client(base_url=url, timeout=PATIENCE, follow_redirects=True, cookies=cookies)
        self.kept = dict(kept or {})
        self.open()

    def open(self, query: str = "") -> None:
        """Load the page, or load it again: what it kept is there, everything else is new."""
        self.client.get(f"/{query}", headers={"Accept": "text/html"}).raise_for_status()
        config = self.client.get("/config").raise_for_status().json()
        self.session, self.query = secrets.token_hex(6), query
        self.values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self.props = {part["id"]: dict(part["props"]) for part in config["components"]}
        self.named = {
            part["props"]["elem_id"]: part["id"] for part in config["components"] if part["props"].get("elem_id")
        }
        self.browser = {
            part["id"]: part["props"]["storage_key"] for part in config["components"] if part["type"] == "browserstate"
        }
        self.timers = {part["id"] for part in config["components"] if part["type"] == "timer"}
        self.handlers = config["dependencies"]
        for component, key in self.browser.items():
            self.values[component] = self.kept.get(key, self.values[component])
        self._trigger(lambda _, event: event == "load")

    def press(self, element: str, event: str = "click") -> float:
        """Do that to an element, with all that follows from it; seconds until the last answer."""
        began, component = time.perf_counter(), self.named[element]
        assert self._trigger(lambda target, name: (target, name) == (component, event)), f"nothing follows {element}"
        return time.perf_counter() - began

    def write(self, element: str, value: Value, event: str | None = "input") -> float:
        """Type or choose a value."""
        self.values[self.named[element]] = value
        return self.press(element, event) if event else 0.0

    def send(self, element: str, files: list[Path]) -> float:
        """Upload files by a button or a field."""
        sent = self.upload(files)
        many = self.props[self.named[element]].get("file_count") in ("multiple", "directory")
        self.values[self.named[element]] = sent if many else sent[0]
        return self.press(element, "upload")

    def upload(self, files: list[Path]) -> list[dict[str, Any]]:
        """Bring files to the server, as a call names them."""
        with contextlib.ExitStack() as opened:
            parts = [("files", (file.name, opened.enter_context(file.open("rb")))) for file in files]
            answer = self.client.post("/gradio_api/upload", files=parts)
        self._check(answer)
        marked = {"_type": "gradio.FileData"}
        return [{"path": path, "meta": marked, "orig_name": file.name}
                for path, file in zip(answer.json(), files, strict=True)]  # fmt: skip

    def poll(self) -> None:
        """What the page asks by itself every second."""
        for component, part in list(self.props.items()):
            if component in self.timers and part.get("active"):
                self._trigger(lambda target, event, timer=component: (target, event) == (timer, "tick"))

    def value(self, element: str) -> Value:
        """What stands in an element now."""
        return self.values[self.named[element]]

    def call(self, name: str, *data: Value) -> Value:
        """Ask one of the endpoints for programs, through the queue."""
        handler = next(h for h in self.handlers if h.get("api_name") == name)
        return self._ask(handler, list(data))[0]

    def _trigger(self, meant: Any) -> bool:
        """Run what that event starts, then what follows it; whether anything did."""
        started = [h for h in self.handlers if any(meant(target, event) for target, event in h["targets"])]
        for handler in started:
            self._run(handler)
        return bool(started)

    def _run(self, handler: dict[str, Any]) -> None:
        failed = False
        if handler["backend_fn"]:
            try:
                answers = self._ask(handler, [self.values.get(component) for component in handler["inputs"]])
            except RefusedError:
                failed = True
                if not self._followed(handler, failed=True):
                    raise
                return
            for component, answer in zip(handler["outputs"], answers, strict=False):
                self._take(component, answer)
        elif set(handler["outputs"]) <= set(self.browser) and handler["outputs"]:
            self._keep(handler)
        self._followed(handler, failed=failed)

    def _keep(self, handler: dict[str, Any]) -> None:
        """What the page's script does that has its browser keep what is current: an object of its inputs by name."""
        names = str(handler["js"]).partition(")")[0].strip("( ").split(", ")
        values = [self.values.get(component) for component in handler["inputs"]]
        self._take(handler["outputs"][0], dict(zip(names, values, strict=True)))

    def _followed(self, handler: dict[str, Any], *, failed: bool) -> bool:
        """Run what waits for this handler."""
        wanted = [h for h in self.handlers if h.get("trigger_after") == handler["id"]]
        skipped = "trigger_only_on_success" if failed else "trigger_only_on_failure"
        following = [h for h in wanted if not h.get(skipped)]
        for after in following:
            self._run(after)
        return bool(following)

    def _take(self, component: int, answer: Value) -> None:
        """What a browser does with a value or an update; a changed value starts what listens to changes."""
        if isinstance(answer, dict) and answer.get("__type__") == "update":
            self.props.setdefault(component, {}).update(answer)
            if "value" not in answer:
                return
            answer = answer["value"]
        before, self.values[component] = self.values.get(component), answer
        if component in self.browser:
            self.kept[self.browser[component]] = answer
        if before != answer:
            self._trigger(lambda target, event: (target, event) == (component, "change"))

    def _ask(self, handler: dict[str, Any], data: list[Value]) -> list[Value]:
        trigger = handler["targets"][0][0] if handler["targets"] else None
        body = {"data": data, "fn_index": handler["id"], "session_hash": self.session, "trigger_id": trigger,
                "event_data": None}  # fmt: skip
        if handler["queue"] is False:
            answer = self.client.post(f"/gradio_api/run/predict{self.query}", json=body)
            self._check(answer)
            result: list[Value] = answer.json()["data"]
            return result
        joined = self.client.post(f"/gradio_api/queue/join{self.query}", json=body)
        self._check(joined)
        return self._awaited(joined.json()["event_id"])

    def _awaited(self, event: str) -> list[Value]:
        """The data of the answer to that event."""
        for message in self._messages():
            if message.get("event_id") != event or message["msg"] != "process_completed":
                continue
            if not message["success"]:
                raise RefusedError(str(message["output"].get("error")))
            data: list[Value] = message["output"]["data"]
            return data
        raise RefusedError("the stream ended before the answer")

    def _messages(self) -> Iterator[dict[str, Any]]:
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_error:
            with contextlib.suppress(ValueError, AttributeError):
                said = answer.json()
                raise RefusedError(f"{answer.status_code}: {said.get('error') or said.get('detail')}")
            answer.raise_for_status()

    def close(self) -> None:
        """Leave."""
        self.client.close()

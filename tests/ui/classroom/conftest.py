"""A class's page that is asked over HTTP as whoever a test says."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.testclient import TestClient

from tests.class_page import CODE, StubDoor, class_settings
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.run import list_runs
from ui.page import Page
from ui.parts.incoming import guard
from ui.parts.refusal import answer_in_words

OPENING = ("open_class", "restore", "go_on_without")  # they wake its buttons, and show the tab to a teacher


@dataclasses.dataclass
class Asked:
    """A page, and a way to call its functions with nothing but a request."""

    page: Page
    settings: Settings
    client: TestClient
    door: StubDoor

    def call(self, function: Any, role: str, values: dict[Any, Any] | None = None, query: str = "") -> tuple[int, str]:
        """Status and answer of a raw POST with that role; inputs that `values` does not name are null."""
        given = [(values or {}).get(part) for part in function.inputs]
        body = {"fn_index": function._id, "data": given, "session_hash": "x"}
        self.door.role = role
        answer = self.client.post(f"/gradio_api/run/predict{query}", json=body)
        return answer.status_code, json.dumps(answer.json(), ensure_ascii=False)

    def named(self, name: str) -> Any:
        """The first function that calls a handler of that name."""
        return next(function for function in self.page.blocks.fns.values() if function.name == name)

    def of_teacher(self) -> list[Any]:
        """Every function that reads or changes a part of the tab Class, but for those that open a page for anybody."""
        functions = self.page.blocks.fns.values()
        return [f for f in functions if f.name not in OPENING and self._touches(f)]

    def _touches(self, function: Any) -> bool:
        keys = {key for key, _ in function.targets}
        sources = [self.page.blocks.blocks[key] for key in keys if key in self.page.blocks.blocks]
        return any(map(self._in_tab, [*function.inputs, *function.outputs, *sources]))

    def _in_tab(self, part: Any) -> bool:
        assert self.page.classroom
        while part is not None:
            if part is self.page.classroom.tab:
                return True
            part = part.parent
        return False


@pytest.fixture
def asked(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """A page of a class."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "handed"))
    room = class_settings(dataclasses.replace(settings, uploads=tmp_path / "uploads"))
    room.data_dir.mkdir()
    page = Page(room, object(), None, CODE)  # type: ignore[arg-type] # no classifier is asked for
    answer_in_words(page.blocks)
    guard(page.blocks)
    door = StubDoor(gr.routes.App.create_app(page.blocks), "")
    with TestClient(door) as client:
        yield Asked(page, room, client, door)
    for run in list_runs(room):
        queue.stop(run, room)

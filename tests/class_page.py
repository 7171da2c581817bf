"""A class's page for tests, with a stub for the door: the address `/enter-as/ROLE` sets a cookie that says who asks.

`python -m tests.class_page PORT FOLDER` serves it over a folder of its own.
"""

import dataclasses
import sys
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from tl_engine.base.settings import CLASSROOM, Settings
from ui.gate.persons import ROLE
from ui.looks import CSS, THEME
from ui.page import build_page

COOKIE = "test-role"
CODE = "class-code-7"


class StubDoor:
    """Writes the role of a cookie, or one that a test fixed, into the scope, as the gate does."""

    def __init__(self, app: Any, role: str | None = None) -> None:
        self.app, self.role = app, role

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Enter, or ask with the role that the cookie has."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"].startswith("/enter-as/"):
            cookie = f"{COOKIE}={scope['path'].rpartition('/')[2]}; Path=/"
            await send({"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", cookie.encode())]})
            await send({"type": "http.response.body", "body": b"in"})
            return
        kept = SimpleCookie(next((v.decode() for k, v in scope["headers"] if k == b"cookie"), ""))
        scope[ROLE] = self.role if self.role is not None else kept[COOKIE].value if COOKIE in kept else ""
        await self.app(scope, receive, send)


def class_settings(settings: Settings) -> Settings:
    """The same installation as a class has it."""
    limits = dataclasses.replace(CLASSROOM, free_bytes=0)
    return dataclasses.replace(settings, limits=limits, classroom=True)


def serve(port: int, folder: Path) -> None:
    """Until it is killed."""
    from tl_engine.runs import queue
    from tl_engine.workspaces.classifier_pool import ClassifierPool

    made = Settings.make(runs=str(folder / "runs"), data_dir=str(folder / "data"), cache_dir=str(folder / "cache"))
    settings = class_settings(dataclasses.replace(made, uploads=folder / "uploads"))
    page = build_page(settings, ClassifierPool(settings), None, CODE)
    app, _, _ = page.launch(
        server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, theme=THEME, css=CSS, ssr_mode=False,
        app_kwargs={"middleware": [(StubDoor, (), {})]}, quiet=True,
    )  # fmt: skip
    del app
    import time

    while True:
        queue.advance(settings)
        time.sleep(1)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))

"""Serves the page: `python app.py`. Builds it, decides who may reach it, and keeps the queue of trainings moving."""

import argparse
import dataclasses
import os
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Any

import tl_engine.pictures  # noqa: F401 - restricts what Pillow decodes, for Gradio too
from tl_engine import runs
from tl_engine.settings import SHARED, Settings
from tl_engine.spare import SPARE
from ui import scratch
from ui.classifier_pool import ClassifierPool
from ui.page import CSS, THEME, build_page

QUEUE_SECONDS = 5.0  # how often waiting trainings are looked after when nobody watches
QUEUE_LENGTH = 200  # calls that may wait; more are answered "busy"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The switches."""
    parser = argparse.ArgumentParser(prog="python app.py", description=__doc__)
    parser.add_argument("--host", help="Address to listen on (default 127.0.0.1: this computer only).")
    parser.add_argument("--port", type=int, help="Port (default: the first free one from 7860).")
    for name, text in (("data-dir", "Folder whose data sets are offered."), ("runs", "Folder of the runs."),
                       ("weights-dir", "Folder with backbone files, such as resnet18.pth."),
                       ("cache-dir", "Folder for what can be computed again.")):  # fmt: skip
        parser.add_argument(f"--{name}", metavar="DIR", help=text)
    parser.add_argument("--share", action="store_true", help="Public link for a week; asks for an access code.")
    parser.add_argument("--lan", action="store_true", help="Reachable in the local network; asks for an access code.")
    parser.add_argument("--access-code", help="The code for --share and --lan; made and printed if left out.")
    parser.add_argument("--no-spare", action="store_true", help="Keep no training process ready (saves 0.4 GB).")
    return parser.parse_args(argv)


def settings_for(arguments: argparse.Namespace) -> Settings:
    """Folders from switches and environment; a page for strangers gets the smaller limits."""
    folders = {name: getattr(arguments, name) for name in ("runs", "data_dir", "weights_dir", "cache_dir")}
    settings = Settings.make(**folders)
    public = arguments.share or arguments.lan or "SPACE_ID" in os.environ
    return dataclasses.replace(settings, limits=SHARED) if public else settings


def access(arguments: argparse.Namespace) -> dict[str, Any]:
    """How visitors get in: with --share and --lan by a code, under any name."""
    if not (arguments.share or arguments.lan):
        return {}
    code = arguments.access_code or secrets.token_urlsafe(9)
    print(f"Access code: {code} (any user name)", flush=True)

    def may_enter(_name: str, given: str) -> bool:
        return secrets.compare_digest(given.encode(), code.encode())

    return {"auth": may_enter, "auth_message": "Any name, and the access code as the password."}


def address(arguments: argparse.Namespace) -> str | None:
    """Where to listen; a Space tells Gradio itself."""
    if arguments.host or "SPACE_ID" in os.environ:
        host: str | None = arguments.host
        return host
    return "0.0.0.0" if arguments.lan else "127.0.0.1"


def look_after_queue(settings: Settings, *, spare: bool) -> None:
    """Start waiting trainings even when nobody watches them; keep a process ready while none is at work."""
    while True:
        try:
            if not runs.advance(settings) and spare:
                runs.prepare_spare()
        except Exception:  # whatever it was, those who wait must not wait for ever
            traceback.print_exc()
        time.sleep(QUEUE_SECONDS)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until interrupted. Trainings live on in their own processes."""
    arguments = parse(argv)
    settings = settings_for(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the last lines below are reached
    scratch.sweep()
    pool = ClassifierPool(settings)
    page = build_page(settings, pool).queue(api_open=True, max_size=QUEUE_LENGTH)
    try:
        page.launch(
            server_name=address(arguments),
            server_port=arguments.port,
            share=arguments.share,
            theme=THEME,
            css=CSS,
            run_history=False,  # pupils share computers
            footer_links=["settings"],
            ssr_mode=False,
            state_session_capacity=1000,  # of 0.13 MB each
            max_file_size=settings.limits.archive_bytes,
            blocked_paths=[str(settings.runs), str(settings.uploads), str(settings.data_dir), str(settings.samples)],
            prevent_thread_lock=True,
            **access(arguments),
        )
        # Only now, so that the page's first answer does not share the processor with torch's imports.
        duty: dict[str, Any] = {"settings": settings, "spare": not arguments.no_spare}
        threading.Thread(target=look_after_queue, kwargs=duty, daemon=True).start()
        pool.warm()
        page.block_thread()
    finally:
        SPARE.dismiss()
        scratch.release()


if __name__ == "__main__":
    main()

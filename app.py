"""Serves the page: `python app.py`. Builds it, decides who may reach it, and keeps the queue of trainings moving."""

import argparse
import dataclasses
import logging
import os
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tl_engine.base.errors import ConfigError, EngineError
from tl_engine.base.settings import FOLDER_OPTIONS, SHARED, Settings
from tl_engine.commands.printing import FINISHED, WRONG
from tl_engine.photos.opening import restrict_pillow
from tl_engine.runs import queue
from tl_engine.runs.process import Spare, prepare_spare
from tl_engine.vitals.farewell import end_children, gone, gone_after, tell_own_runs, when_asked
from tl_engine.vitals.limits import SilenceWatch
from tl_engine.workspaces import scratch
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.forget import forget_removed
from ui.address import FIRST, LAST, check_address, wanted_port
from ui.http_refusals import HANDLERS
from ui.looks import CSS, THEME
from ui.page import build_page
from ui.space import import_all, on_space, writable

if TYPE_CHECKING:
    import gradio as gr  # when this runs, ui has to come first

LEAVING_SECONDS = 3.0  # in which what belongs to the page is cleared up; then it is gone all the same
QUEUE_SECONDS = 5.0  # how often waiting trainings are looked after when nobody watches
QUEUE_LENGTH = 200  # calls that may wait; more are answered "busy"


def make_parser() -> argparse.ArgumentParser:
    """The switches."""
    parser = argparse.ArgumentParser(prog="python app.py", description=__doc__)
    parser.add_argument("--host", help="Address to listen on (default 127.0.0.1: this computer only).")
    parser.add_argument("--port", help=f"Port (default: the first free one from {FIRST}).")
    for name, text in FOLDER_OPTIONS.items():
        parser.add_argument(f"--{name}", metavar="DIR", help=text)
    parser.add_argument("--share", action="store_true", help="Public link for a week; asks for an access code.")
    parser.add_argument("--lan", action="store_true", help="Reachable in the local network; asks for an access code.")
    parser.add_argument("--access-code", help="The code for --share and --lan; made and printed if left out.")
    parser.add_argument("--no-spare", action="store_true", help="Keep no training process ready (saves 0.4 GB).")
    return parser


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The switches as given. Ends the program for one that is none."""
    return make_parser().parse_args(argv)


def settings_for(arguments: argparse.Namespace) -> Settings:
    """Folders from switches and environment; a page for strangers gets the smaller limits."""
    folders = {name: getattr(arguments, name) for name in ("runs", "data_dir", "weights_dir", "cache_dir")}
    settings = Settings.make(**folders)
    if on_space():
        settings = writable(settings)
    public = arguments.share or arguments.lan or on_space()
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
    if arguments.host or on_space():
        host: str | None = arguments.host
        return host
    return "0.0.0.0" if arguments.lan else "127.0.0.1"


def look_after_queue(settings: Settings, spare: Spare | None) -> None:
    """Start waiting trainings even when nobody watches them; keep a process ready while none is at work."""
    watch = SilenceWatch(settings)
    while True:
        try:
            watch.look()
            if not queue.advance(settings, spare) and spare:
                prepare_spare(spare)
            forget_removed(settings)
        except Exception:  # whatever it was, those who wait must not wait for ever
            traceback.print_exc()
        time.sleep(QUEUE_SECONDS)


def log_to_host() -> None:
    """Who hosts reads one line for each training that starts or ends and for each refusal, and no visitor's words."""
    log = logging.getLogger("tl_engine")
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%d %b %H:%M:%S"))
    log.addHandler(lines)
    log.setLevel(logging.INFO)


def make_spare(settings: Settings, *, wanted: bool) -> Spare | None:
    """A process in waiting; on ZeroGPU what has the trainings done where a GPU is lent."""
    if os.environ.get("SPACES_ZERO_GPU"):
        from ui.zerogpu import lent_gpu  # it patches torch, and is installed there only

        return lent_gpu(settings)
    return Spare() if wanted else None


def serve(arguments: argparse.Namespace) -> None:
    """Serve until asked to end. Trainings live on in their own processes. Raises ConfigError before anything starts."""
    settings, host, port = settings_for(arguments), address(arguments), wanted_port(arguments.port)
    check_address(host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), port)
    restrict_pillow()
    log_to_host()
    spare = make_spare(settings, wanted=not arguments.no_spare)  # on ZeroGPU before anything else reaches torch
    if on_space():
        import_all()
    when_asked(lambda _number: leave(FINISHED, spare, settings))
    scratch.sweep()
    pool = ClassifierPool(settings)
    page = build_page(settings, pool, spare).queue(api_open=True, max_size=QUEUE_LENGTH)
    _launch(page, settings, arguments, host, port)
    # Only now, so that the page's first answer does not share the processor with torch's imports.
    threading.Thread(target=look_after_queue, args=(settings, spare), daemon=True).start()
    pool.warm()
    page.block_thread()


def _launch(
    page: "gr.Blocks", settings: Settings, arguments: argparse.Namespace, host: str | None, port: int | None
) -> None:
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=arguments.share,
            theme=THEME,
            css=CSS,
            run_history=False,  # pupils share computers
            footer_links=["settings"],
            ssr_mode=False,
            state_session_capacity=1000,  # of 0.13 MB each
            max_file_size=settings.limits.archive_bytes,
            blocked_paths=[str(f) for f in (settings.runs, settings.uploads, settings.data_dir, settings.samples)],
            prevent_thread_lock=True,
            app_kwargs={"exception_handlers": HANDLERS},
            **access(arguments),
        )
    except OSError as error:
        if "empty port" not in str(error):
            raise
        # Somebody was faster, or has them all.
        named = f"Port {port}" if port else f"Each port from {FIRST} to {LAST}"
        raise ConfigError(f"{named} is in use by another program: choose another --port.") from None


def leave(code: int, spare: Spare | None = None, settings: Settings | None = None) -> None:
    """End this process within seconds, whoever is still being answered, sent to, or followed.

    What it started for the page ends with it; trainings, in sessions of their own, go on.
    """
    gone_after(LEAVING_SECONDS, code)
    if spare:
        spare.dismiss()
    if settings and settings.runs.is_dir():
        tell_own_runs(settings)
    end_children()
    scratch.release()
    gone(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve, and return the exit code; what a person can mend is one sentence on stderr and code 2."""
    arguments = parse(argv)
    try:
        serve(arguments)
        return FINISHED
    except EngineError as error:
        print(error, file=sys.stderr)
        return WRONG


if __name__ == "__main__":
    leave(main())

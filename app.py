"""Serves the page: `python app.py`. Builds it, decides who may reach it, and keeps the queue of trainings moving."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from tl_engine.base.errors import ConfigError, EngineError
from tl_engine.base.parallel import few_heaps
from tl_engine.base.settings import FOLDER_OPTIONS, HOUR, SHARED, Settings
from tl_engine.commands.printing import FINISHED, WRONG
from tl_engine.photos.opening import restrict_pillow
from tl_engine.runs.process import Spare
from tl_engine.visits.disk import name_disk
from tl_engine.vitals.farewell import end_children, gone, gone_after, tell_own_runs, when_asked
from tl_engine.workspaces import scratch
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.forget import sweep_deleted
from ui.gate.gate import Gate, Gates
from ui.gate.lanes import take_turns
from ui.looks import CSS, THEME
from ui.page import build_page
from ui.serving.access import address, codes_for, gates_for, settings_for, tell_codes
from ui.serving.address import FIRST, LAST, check_address, wanted_port
from ui.serving.caretaker import Caretaker
from ui.serving.http_refusals import HANDLERS
from ui.serving.sessions import lighten_sessions
from ui.serving.space import import_all, on_space

if TYPE_CHECKING:
    import gradio as gr  # when this runs, ui has to come first

LOG = logging.getLogger("tl_engine")
LEAVING_SECONDS = 3.0  # in which what belongs to the page is cleared up; then it is gone all the same


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
    parser.add_argument("--classroom", action="store_true", help="For a class: lessons, and a tab for the teacher.")
    parser.add_argument(
        "--teacher-code", help="A second code, for whoever teaches; with --classroom made and printed if left out."
    )
    parser.add_argument("--short-code", action="store_true", help="Take a code of less than 8 letters all the same.")
    parser.add_argument(
        "--forget-after", metavar="HOURS",
        help=f"Of a page for others: what visitors bring is deleted so long after they were last seen (default "
        f"{SHARED.data_seconds // HOUR}, trainings after {SHARED.run_seconds // HOUR} or later; 0: never).",
    )  # fmt: skip
    parser.add_argument("--no-spare", action="store_true", help="Keep no training process ready (saves 0.4 GB).")
    return parser


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The switches as given. Ends the program for one that is none."""
    return make_parser().parse_args(argv)


def log_to_host() -> None:
    """Who hosts reads one line for each training that starts or ends and for each refusal, and no visitor's words."""
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%d %b %H:%M:%S"))
    LOG.addHandler(lines)
    LOG.setLevel(logging.INFO)


def make_spare(settings: Settings, *, wanted: bool) -> Spare | None:
    """A process in waiting; on ZeroGPU what has the trainings done where a GPU is lent."""
    if os.environ.get("SPACES_ZERO_GPU"):
        from ui.serving.zerogpu import lent_gpu  # it patches torch, and is installed there only

        return lent_gpu(settings)
    return Spare() if wanted else None


def serve(arguments: argparse.Namespace) -> None:
    """Serve until asked to end. Trainings live on in their own processes. Raises ConfigError before anything starts."""
    settings, host, port = settings_for(arguments), address(arguments), wanted_port(arguments.port)
    codes = codes_for(arguments)
    check_address(host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), port)
    few_heaps()
    restrict_pillow()
    log_to_host()
    spare = make_spare(settings, wanted=not arguments.no_spare)  # on ZeroGPU before anything else reaches torch
    if on_space():
        import_all()
    when_asked(lambda _number: leave(FINISHED, spare, settings))
    scratch.sweep()
    sweep_deleted(settings)
    name_disk(settings)
    pool = ClassifierPool(settings)
    class_code = codes.pupil if codes and arguments.classroom else ""
    page = build_page(settings, pool, spare, class_code)
    take_turns(page, settings.limits)
    lighten_sessions()
    tell_codes(codes)
    _launch(page, gates_for(arguments, settings, codes), arguments, host, port)
    # Only now, so that the page's first answer does not share the processor with torch's imports.
    Caretaker(settings, spare).start()
    pool.warm()
    page.block_thread()


def _launch(page: "gr.Blocks", gates: Gates, arguments: argparse.Namespace, host: str | None, port: int | None) -> None:
    settings = gates.settings
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
            app_kwargs={"exception_handlers": HANDLERS, "middleware": [Middleware(Gate, gates=gates)]},
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

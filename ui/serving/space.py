"""On a Space: folders that can be written, what a restart would lose, and signing in. Elsewhere there is none of it."""

import contextlib
import dataclasses
import importlib
import logging
import os
import pkgutil
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

import tl_engine
from tl_engine.base.settings import PROJECT, Settings
from ui.parts.wording import text
from ui.sharing.push_view import may_sign_in

LOG = logging.getLogger("tl_engine")
VARIABLES = {"runs": "TL_RUNS", "uploads": "TL_UPLOADS", "cache": "TL_CACHE_DIR", "backbones": "TL_BACKBONES"}
LIBRARIES = ("timm", "torchvision", "sklearn.linear_model", "huggingface_hub.hf_api", "huggingface_hub.repocard_data")
VOLUME = Path("/data")  # where a Space's persistent storage is mounted
PREFIX = "tl-space-"
LOST = (
    "Trainings and photos here are lost when this Space restarts, since it has no storage that stays: download what "
    "you want to keep."
)
MOVED = (
    "This Space may not write to its own folders, so trainings and photos lie in a temporary one, and are lost when it "
    "restarts: download what you want to keep."
)


def on_space() -> bool:
    """Whether this runs as a Hugging Face Space."""
    return "SPACE_ID" in os.environ


def writable(settings: Settings) -> Settings:
    """The settings with a temporary folder in place of each that cannot be written; trainings are told the same."""
    place: Path | None = None
    moved: dict[str, Any] = {}
    for name, variable in VARIABLES.items():
        if not _may_write(getattr(settings, name)):
            place = place or Path(tempfile.mkdtemp(prefix=PREFIX))
            moved[name] = place / name
            moved[name].mkdir()
            os.environ[variable] = str(moved[name])
    return dataclasses.replace(settings, **moved)


def import_all() -> None:
    """Import whatever a visitor's press would, in this thread, before Gradio serves.

    On a Space Gradio starts a reloader whose hook looks for modules within the search for modules: two threads that
    import at once then wait for each other for ever (tests/ui/test_space.py met it).
    """
    for module in pkgutil.walk_packages(tl_engine.__path__, "tl_engine."):
        if not module.name.endswith("__main__") and "." in module.name:
            importlib.import_module(module.name)
    for name in LIBRARIES:
        importlib.import_module(name)


def warning(settings: Settings) -> str:
    """What a visitor of a Space has to know of what is kept; "" where it is kept, or this is no Space."""
    if not on_space():
        return ""
    if any(part.startswith(PREFIX) for part in settings.runs.parts):
        return MOVED
    return "" if _stays(settings.runs) else LOST


def _may_write(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    return False


def _stays(folder: Path) -> bool:
    """Whether a folder outlives a restart: on the volume, or where its host said, outside of this program."""
    named = bool(os.environ.get(VARIABLES["runs"])) and not folder.is_relative_to(PROJECT)
    return named or folder.is_relative_to(VOLUME)


def lay_out(settings: Settings) -> None:
    """The warning, and the button to sign in, where they are due."""
    if told := warning(settings):
        LOG.warning("%s", told)
        gr.HTML(f'<p class="tl-problem" role="note">{text(told, 300)}</p>', elem_id="space-warning", padding=False)
    if may_sign_in():
        with gr.Row(elem_classes="tl-buttons"):
            gr.LoginButton(size="sm", elem_id="sign-in", scale=0, min_width=230)

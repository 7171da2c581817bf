"""A classifier to take away: made and checked in a process of its own, then handed out."""

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.names import slug
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural, size_words
from tl_engine.jobs.worker import run_command, told
from tl_engine.runs.find import classifier_of
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import saved_at
from tl_engine.runs.titles import title_of
from tl_engine.workspaces import scratch
from tl_engine.workspaces.workspace import open_run
from ui.parts.acting import answer_html, answering, said_line
from ui.parts.components import Updates
from ui.sharing.push_view import PushView

AT_ONCE = 2  # exports; each takes both cores of a small machine for some seconds
HINT = "Files that say what this page says: each is checked on photos that judged before you get it."


@dataclass(frozen=True, slots=True)
class Form:
    """One way to take it away."""

    option: str  # of the command
    ending: str  # of its file's name
    button: str
    words: str  # what to do with it


FORMS = {
    "zip": Form("--out", ".zip", "For programs", "Unpack it and run predict.py, or load model.onnx."),
    "single": Form("--single", ".html", "A page in one file", "Open it in any browser: it needs no network."),
    "page": Form("--page", "-page.zip", "A page for a web site", "Unpack it onto any web server or a static Space."),
}


class TakeAway:
    """Lays out the ways; `connect` wires them to the page's run."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Accordion("Take it away", open=False, visible=False, elem_id="take-away") as self.box:
            gr.HTML(f'<p class="tl-hint">{HINT}</p>', padding=False)
            with gr.Row(elem_classes="tl-buttons"):
                self.buttons = {
                    kind: gr.Button(form.button, elem_id=f"take-{kind}", min_width=120) for kind, form in FORMS.items()
                }
            self.said = said_line("take-said")
            self.file = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="take-file")
            self.push = PushView(settings)

    def connect(self, run: gr.Textbox) -> None:
        """Wire the buttons; another run takes away what was made of the one before."""
        for kind, button in self.buttons.items():
            button.click(
                answering(functools.partial(self.make_export, kind), self.said), [run], [self.file, self.said],
                api_visibility="private", concurrency_limit=AT_ONCE, concurrency_id="export",
                show_progress_on=self.said,
            )  # fmt: skip

    def show(self, run: Run | None) -> Updates:
        """What another run, or one that has a classifier now, changes."""
        return {
            self.box: gr.Accordion(visible=run is not None),
            self.file: gr.DownloadButton(visible=False),
            self.said: "",
        }

    def make_export(self, kind: str, token: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """Make it, unless it was made before."""
        run = open_run(token or "", self.settings)
        found = classifier_of(run)
        if found is None:
            raise EngineError("No epoch of this training had ended, so it has no classifier to take away.")
        form = FORMS[kind]
        folder = scratch.new_folder(scratch.EXPORT, f"{run.name}-{saved_at(found)}-{kind}")
        file = folder / f"{slug(title_of(run)[:40], otherwise='classifier')}{form.ending}"
        words = folder / "words.txt"
        if not (file.is_file() and words.is_file()):
            progress(0, desc="starting")
            made = run_command("export", [run.name, form.option, str(_target(kind, folder, file)), *self._folders()],
                               self.settings, lambda event: told(progress, event))  # fmt: skip
            if kind == "page":
                _pack(folder / "page", file)
            words.write_text(_sentence(made), encoding="utf-8")
        size = size_words(file.stat().st_size)
        return {
            self.file: gr.DownloadButton(f"Download {file.name} ({size})", value=str(file), visible=True),
            self.said: answer_html(f"{words.read_text(encoding='utf-8')} {form.words}"),
        }

    def _folders(self) -> list[str]:
        here = self.settings
        named = (("--runs", here.runs), ("--cache-dir", here.cache), ("--weights-dir", here.weights_dir))
        return [part for option, folder in named if folder for part in (option, str(folder))]


def _target(kind: str, folder: Path, file: Path) -> Path:
    return folder / "page" if kind == "page" else file


def _pack(page: Path, file: Path) -> None:
    """A folder of a page as one zip."""
    packed = Path(shutil.make_archive(str(file.with_suffix(".part")), "zip", page))
    packed.replace(file)
    shutil.rmtree(page)


def _sentence(made: dict[str, Any]) -> str:
    """How far it agrees."""
    verified = made["verified"]
    return (
        f"Checked on {plural(verified['photos'], 'photo')}: {verified['same_class']:,} of {verified['photos']:,} the "
        f"same class as here, no probability differs by more than {verified['largest_difference']:.6f}."
    )

"""The page: its tabs, a workspace kept in the browser, endpoints for programs."""

from pathlib import Path

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs.process import Spare
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace
from ui.endpoints import add_endpoints
from ui.parts.components import Updates
from ui.parts.incoming import guard
from ui.parts.refusal import answer_in_words
from ui.parts.wording import INTRO, QUIET, TITLE
from ui.photos.tab import DataTab
from ui.predict.tab import PredictTab, choices
from ui.train.run_view import EventReader
from ui.train.tab import TrainTab
from ui.waking import awake, put_to_sleep

# The browser keeps the workspace under this key. The secret only has to be the same after a restart:
# every client gets it, what protects a workspace is that its name cannot be guessed.
STORAGE_KEY, STORAGE_SECRET = "tl-workspace", "kept the same, so that a restart can read it"
CACHE_SECONDS = (3600, 24 * 3600)  # how often Gradio's file cache is cleaned, and of what age
# Fonts of the system: the page asks no other host for anything.
FONTS = ["system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "Consolas", "monospace"]
)
SCRIPTS = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("camera.js", "plots.js")]
CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def remembered(settings: Settings, known: object) -> Workspace:
    """The workspace that the browser kept; a new one where it kept none, or something else."""
    try:
        return Workspace.of(settings, known)
    except EngineError:
        return Workspace.of(settings, None)


class Page:
    """The tabs over one installation, and what a visitor finds again in them. `blocks` is what is served."""

    def __init__(self, settings: Settings, pool: ClassifierPool, spare: Spare | None) -> None:
        self.settings = settings
        reader = EventReader()
        self.blocks: gr.Blocks
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as self.blocks:
            gr.Markdown(f"# {TITLE}\n{INTRO}", elem_id="intro")
            self.workspace = gr.BrowserState("", storage_key=STORAGE_KEY, secret=STORAGE_SECRET)
            with gr.Tabs(elem_id="tabs") as self.tabs:
                self.train = TrainTab(settings, self.workspace, reader, spare)
                self.predict = PredictTab(settings, pool, self.workspace)
                self.data = DataTab(settings, self.workspace)
            add_endpoints(settings, pool, reader, spare)
            self._connect()

    def _connect(self) -> None:
        train, form = self.train, self.train.form
        train.connect(self.tabs, self.predict)
        self.predict.connect()
        self.data.connect(self.tabs, form)
        # What was collected or corrected meanwhile shows in the summary.
        train.tab.select(form.describe_data, [form.data, self.workspace], form.shown, **QUIET)
        self.sleeping = put_to_sleep(self.blocks, self.workspace)
        lists = [form.data, train.run, self.predict.classifier, self.data.choice]
        restored = [self.workspace, *lists, *form.shown, *self.sleeping]
        loaded = self.blocks.load(self.restore, self.workspace, restored, **QUIET)
        # Nobody is kept from starting by a list.
        loaded.failure(lambda: awake(self.sleeping), None, self.sleeping, **QUIET)
        for script in SCRIPTS:
            self.blocks.load(None, js=script)
        loaded.then(train.show_run, [train.run, train.others, self.workspace], train.shown, **QUIET)

    def restore(self, known: str, request: gr.Request) -> Updates:
        """What this visitor had: their workspace, their data, their newest run or the one of the link."""
        visitor = remembered(self.settings, known)
        listed, chosen = visitor.choices(), visitor.present(None)
        return {
            self.workspace: visitor.token,
            self.train.form.data: gr.Dropdown(choices=listed, value=chosen),
            **self.train.form.describe_data(chosen, visitor.token),
            **self.train.restore_run(visitor, request.query_params.get("run")),
            self.predict.classifier: gr.Dropdown(choices=choices(visitor)),
            self.data.choice: gr.Dropdown(choices=listed),
            **awake(self.sleeping),
        }


def build_page(settings: Settings, pool: ClassifierPool, spare: Spare | None = None) -> gr.Blocks:
    """The whole page over one installation; trainings start in the spare process, if there is one."""
    blocks = Page(settings, pool, spare).blocks
    answer_in_words(blocks)
    guard(blocks)
    return blocks

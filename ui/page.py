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


def build_page(settings: Settings, pool: ClassifierPool, spare: Spare | None = None) -> gr.Blocks:
    """The whole page over one installation; trainings start in the spare process, if there is one."""
    page: gr.Blocks
    reader = EventReader()
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as page:
        gr.Markdown(f"# {TITLE}\n{INTRO}", elem_id="intro")
        workspace = gr.BrowserState("", storage_key=STORAGE_KEY, secret=STORAGE_SECRET)
        with gr.Tabs(elem_id="tabs") as tabs:
            train = TrainTab(settings, workspace, reader, spare)
            predict = PredictTab(settings, pool, workspace)
            data = DataTab(settings, workspace)
        add_endpoints(settings, pool, reader, spare)
        train.connect(tabs, predict)
        predict.connect()
        data.connect(tabs, train.form)
        # What was collected or corrected meanwhile shows in the summary.
        train.tab.select(train.form.describe_data, [train.form.data, workspace], train.form.shown, **QUIET)

        sleeping = put_to_sleep(page, workspace)

        def restore(known: str, request: gr.Request) -> Updates:
            """What this visitor had: their workspace, their data, their newest run or the one of the link."""
            visitor = remembered(settings, known)
            listed, chosen = visitor.choices(), visitor.present(None)
            return {
                workspace: visitor.token,
                train.form.data: gr.Dropdown(choices=listed, value=chosen),
                **train.form.describe_data(chosen, visitor.token),
                **train.restore_run(visitor, request.query_params.get("run")),
                predict.classifier: gr.Dropdown(choices=choices(visitor)),
                data.choice: gr.Dropdown(choices=listed),
                **awake(sleeping),
            }

        outputs = [workspace, train.form.data, *train.form.shown, train.run, predict.classifier, data.choice]
        loaded = page.load(restore, workspace, [*outputs, *sleeping], **QUIET)
        loaded.failure(lambda: awake(sleeping), None, sleeping, **QUIET)  # nobody is kept from starting by a list
        for script in SCRIPTS:
            page.load(None, js=script)
        loaded.then(train.show_run, [train.run, train.others, workspace], train.shown, **QUIET)
    answer_in_words(page)
    guard(page)
    return page

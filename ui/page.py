"""The page: its tabs, a workspace kept in the browser, endpoints for programs."""

from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.workspaces import data_choices
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import TOKEN, new_token
from ui.endpoints import add_endpoints
from ui.parts.incoming import guard
from ui.parts.refusal import answer_in_words
from ui.parts.wording import INTRO, QUIET, TITLE
from ui.photos.tab import DataTab
from ui.predict.tab import build_predict_tab, choices
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


def build_page(settings: Settings, pool: ClassifierPool) -> gr.Blocks:
    """The whole page over one installation."""
    page: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as page:
        gr.Markdown(f"# {TITLE}\n{INTRO}", elem_id="intro")
        workspace = gr.BrowserState("", storage_key=STORAGE_KEY, secret=STORAGE_SECRET)
        with gr.Tabs(elem_id="tabs") as tabs:
            train = TrainTab(settings, workspace)
            predict = build_predict_tab(settings, pool, workspace)
            data = DataTab(settings, workspace)
        add_endpoints(settings, pool)
        train.connect(tabs, predict)
        data.connect(tabs, train.form)
        # What was collected or corrected meanwhile shows in the summary.
        train.tab.select(train.form.describe, [train.form.data, workspace], train.form.shown, **QUIET)

        sleeping = put_to_sleep(page, workspace)

        def restore(known: str, request: gr.Request) -> list[Any]:
            """What this visitor had: their workspace, their data, their newest run or the one of the link."""
            owner = known if isinstance(known, str) and TOKEN.fullmatch(known) else new_token()
            listed = data_choices.choices(settings, owner)
            chosen = data_choices.default_choice(settings)
            return [
                owner,
                gr.Dropdown(choices=listed, value=chosen),
                *train.form.describe(chosen, owner),
                train.restored(owner, request.query_params.get("run")),
                gr.Dropdown(choices=choices(settings, owner)),
                gr.Dropdown(choices=listed),
                *awake(sleeping),
            ]

        outputs = [workspace, train.form.data, *train.form.shown, train.run, predict.classifier, data.choice]
        loaded = page.load(restore, workspace, [*outputs, *sleeping], **QUIET)
        loaded.failure(lambda: awake(sleeping), None, sleeping, **QUIET)  # nobody is kept from starting by a list
        for script in SCRIPTS:
            page.load(None, js=script)
        loaded.then(train.follow_anew, [train.run, train.others, workspace], train.shown, **QUIET)
    answer_in_words(page)
    guard(page)
    return page

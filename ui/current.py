"""The line above the tabs: the page's one data set and one classifier, how good it is, and what to do with it."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs import titles
from tl_engine.runs.run import Run
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates
from ui.parts.refusal import in_words
from ui.parts.wording import INTRO, QUIET, text
from ui.predict.classifiers import choices, linked_run, run_title
from ui.sharing.carry_view import address_of

MOST_COUNTED = 4  # classes named with their photos
NOTHING_TO_SHARE = "There is no classifier of yours to share yet: train one first."


class CurrentLine:
    """Lays out the line and the panel for sharing; `connect` wires it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Row(elem_id="intro-row", elem_classes="tl-named") as self.intro:
            gr.HTML(f"<p>{INTRO}</p>", elem_id="intro-words", padding=False)
            self.have_code = gr.Button("I have a code", size="sm", elem_id="have-code", min_width=110, scale=0)
        with gr.Row(visible=False, elem_id="current", elem_classes="tl-named") as self.row:
            self.words = gr.HTML("", elem_id="current-words", padding=False)
            self.try_it = gr.Button("Try", size="sm", elem_id="current-try", min_width=70, scale=0)
            self.share = gr.Button("Share", size="sm", elem_id="current-share", min_width=70, scale=0)
            self.carry = gr.Button("Other device", size="sm", elem_id="current-carry", min_width=100, scale=0)
        with gr.Column(visible=False, elem_id="share-box") as self.box:
            self.link = gr.Textbox(
                label="Link to this classifier", info="Whoever has it can try this classifier, on any device.",
                buttons=["copy"], interactive=False, elem_id="link",
            )  # fmt: skip
            self.close = gr.Button("Close", size="sm", elem_id="share-close")
        self.said = said_line("current-said")

    def connect(
        self,
        tabs: gr.Tabs,
        data: gr.Dropdown,
        run: Any,
        classifier: gr.Dropdown,
        more: list[gr.Button],
        changed: gr.Textbox,
    ) -> None:
        """Wire the buttons; `more` are others that share, `changed` changes when photos came or went."""
        self.tabs, self.classifier, self.run = tabs, classifier, run
        here = [data, run, self.workspace]
        tried = [run, self.workspace]
        act(self.try_it.click, self.try_current, tried, [tabs, classifier], self.said)
        shared = act([button.click for button in (self.share, *more)], self.open_share, [run], [self.box, self.link],
                     self.said)  # fmt: skip
        shared.then(None, js="() => window.tlShow('share-box')")
        act(self.close.click, lambda: {self.box: gr.Column(visible=False)}, None, [self.box], self.said)
        told = [data.change, run.change, classifier.change, changed.change, tabs.change]
        gr.on(told, self.say_current, here, self.shown, trigger_mode="always_last", **QUIET)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.intro, self.row, self.words]

    def show(self, visitor: Workspace, choice: str | None, token: str | None) -> Updates:
        """What the page is about; an introduction for somebody who has nothing yet."""
        run = self.opened(token)
        something = bool(run or visitor.own_data())
        return {
            self.intro: gr.Row(visible=not something),
            self.row: gr.Row(visible=something),
            self.words: f"<p>{current_words(visitor, choice, run)}</p>",
        }

    def opened(self, token: str | None) -> Run | None:
        """The run of that name, if it is there."""
        try:
            return open_run(token, self.settings) if token else None
        except EngineError:
            return None

    @in_words
    def say_current(self, choice: str | None, token: str, workspace: str) -> Updates:
        """The line of now."""
        return self.show(Workspace.of(self.settings, workspace), choice, token)

    def try_current(self, token: str, workspace: str) -> Updates:
        """Go where it is tried, with the page's run as the classifier if it has one."""
        listed = choices(Workspace.of(self.settings, workspace), token)
        chosen = gr.Dropdown(choices=listed, value=token) if token in [v for _, v in listed] else gr.skip()
        return {
            self.tabs: gr.Tabs(selected="predict"),
            self.classifier: chosen,
            self.said: answer_html("Choose a photo, and see what the classifier says."),
        }

    def open_share(self, token: str, request: gr.Request) -> Updates:
        """The link of the page's run."""
        if self.opened(token) is None:
            raise EngineError(NOTHING_TO_SHARE)
        return {self.box: gr.Column(visible=True), self.link: f"{address_of(request)}/?run={token}"}


def current_words(visitor: Workspace, choice: str | None, run: Run | None) -> str:
    """`My photos: cats (8), dogs (8) → 4 of 4 right`, as HTML."""
    chosen = visitor.find(choice)
    data = _data_words(chosen) if chosen else "No photos"
    if run is None:
        return data
    result = titles.result_words(run)
    if linked := linked_run(visitor, run.name):
        return f"{text(run_title(linked), 120)}, from a link"
    about = titles.title_of(run)
    whose = "" if chosen and about.startswith(chosen.title) else f"{text(about, 60)}: "
    return f"{data} <span aria-hidden='true'>→</span> {whose}<b>{text(result or run.state(), 60)}</b>"


def _data_words(chosen: Any) -> str:
    title, own = f"<b>{text(chosen.title, 60)}</b>", chosen.collection
    if own is None:
        return title
    counts = list(own.counts().items())
    named = ", ".join(f"{text(name, 30)} ({number:,})" for name, number in counts[:MOST_COUNTED])
    more = f" and {len(counts) - MOST_COUNTED} more" if len(counts) > MOST_COUNTED else ""
    return f"{title}: {named}{more}" if counts else title

"""The Runs tab: all runs a visitor may see, found and ordered; one opened, several laid side by side."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs.run import Run
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.acting import act
from ui.parts.components import Updates, open_dropdown
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET
from ui.runs.beside import BesideView
from ui.runs.one import OneRun
from ui.runs.table import MOST_TICKED, NEWEST, ORDERS, PAGE, PRESSES, Asked, part_of, table_html
from ui.train.run_view import EventReader
from ui.train.tab import TrainTab

NONE_YET = "No training yet: bring photos and press Train."
TICK = "Tick trainings in the list first: two for a verdict."


class RunsTab:
    """Lays out the tab; `connect` wires it to the page's current run."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, reader: EventReader) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Tab("Runs", id="runs") as self.tab:
            self.none = gr.HTML(f'<p class="tl-hint">{NONE_YET}</p>', padding=False)
            with gr.Column(visible=False, elem_id="runs-all") as self.all:
                with gr.Row(elem_classes="tl-named"):
                    self.find = gr.Textbox(label="Find", placeholder="a name, data, a state", elem_id="runs-find",
                                           scale=2, min_width=220)  # fmt: skip
                    orders = [(name, name) for name in (NEWEST, *ORDERS)]
                    self.order = open_dropdown(orders, value=NEWEST, label="Order", elem_id="runs-order", scale=1,
                                               min_width=220)  # fmt: skip
                self.list = gr.HTML("", elem_id="runs-list", padding=False, js_on_load=PRESSES)
                with gr.Row(visible=False, elem_classes="tl-pager") as self.pager:
                    self.newer = gr.Button("‹ Before", size="sm", elem_id="runs-before")
                    self.older = gr.Button("After ›", size="sm", elem_id="runs-after")
                self.number = gr.HTML("", elem_id="runs-number", padding=False)
                self.beside_go = gr.Button("Side by side", size="sm", elem_id="lay-beside")
            self.one = OneRun(settings, workspace)
            self.beside = BesideView(settings, reader)
            self.first, self.ticked = gr.Textbox("0", visible=False), gr.Textbox("", visible=False)

    @property
    def state(self) -> list[Any]:
        """What says which part of the list is shown."""
        return [self.find, self.order, self.first, self.ticked]

    @property
    def listed(self) -> list[Any]:
        """What `show` changes."""
        return [self.none, self.all, self.list, self.pager, self.number, self.beside_go, self.first, self.ticked]

    def show(self, visitor: Workspace, token: str | None, *state: Any) -> Updates:
        """The part of the list that `state` asks for, with the page's run marked."""
        asked = Asked.of(*state)
        runs = self._listed(visitor, token)
        part = part_of(runs, asked)
        there = {run.name for run in runs} if asked.ticked else set()
        ticked = [name for name in asked.ticked if name in there]
        return {
            self.none: gr.HTML(visible=not runs),
            self.all: gr.Column(visible=bool(runs)),
            self.list: table_html(part, visitor, ticked, token or ""),
            self.pager: gr.Row(visible=part.number > PAGE),
            self.number: f'<p class="tl-hint" role="status">{part.words}</p>',
            self.first: str(part.first),
            **self._ticked(ticked),
        }

    def list_anew(self, visitor: Workspace, token: str | None, *state: Any) -> Updates:
        """The same once a run was named, deleted or brought back: what stands side by side is no longer true."""
        return {**self.show(visitor, token, *state), self.beside.box: gr.Column(visible=False)}

    def _ticked(self, names: Sequence[str]) -> Updates:
        most = ", the most" if len(names) == MOST_TICKED else ""
        words = f"Side by side: {len(names)} ticked{most}" if names else "Side by side"
        return {self.ticked: " ".join(names), self.beside_go: gr.Button(words)}

    def _listed(self, visitor: Workspace, token: str | None) -> list[Run]:
        """The visitor's runs and the host's; first the page's, if they have it by a link."""
        runs = visitor.runs()
        try:
            linked = open_run(token, self.settings) if token else None
        except EngineError:
            linked = None
        return [linked, *runs] if linked and not visitor.may_list(linked) else runs

    def connect(self, tabs: gr.Tabs, train: TrainTab, data: gr.Dropdown, classifier: gr.Dropdown) -> None:
        """Wire the list; `data` and `classifier` are the page's current ones, `train` knows its run and its form."""
        here = [self.workspace, train.run]
        asked = [*here, *self.state]
        opened = [*self.listed, self.one.undo, self.one.undoable, self.one.minute]
        self.tab.select(self.list_runs, asked, opened, **QUIET)
        found = {"trigger_mode": "always_last", **QUIET}
        gr.on([self.find.change, self.order.input], self.find_runs, asked, self.listed, **found)
        self.newer.click(self.list_before, asked, self.listed, **QUIET)
        self.older.click(self.list_after, asked, self.listed, **QUIET)
        # Each tick tells all that are ticked, so none may be dropped while another is on its way.
        ticking = {"trigger_mode": "multiple", **QUIET}
        self.list.select(self.tick_run, [self.ticked], [self.ticked, self.beside_go], **ticking)
        picked = act(self.list.click, self.pick_run, [self.workspace], self.one.shown, self.one.said)
        picked.then(None, None, js="() => window.tlShow('one-run')")
        laid = act(self.beside_go.click, self.lay_beside, asked, self.beside.shown, self.one.said)
        laid.then(None, None, js="() => window.tlShow('beside')")
        changed = [*self.listed, self.beside.box]
        self.one.connect(tabs, train, data, classifier, self.state, changed, self.list_anew)

    @in_words
    def list_runs(self, workspace: str, token: str, *state: Any) -> Updates:
        """The runs of now, and whether one can be brought back."""
        visitor = Workspace.of(self.settings, workspace)
        return {**self.show(visitor, token, *state), **self.one.undo_now(visitor)}

    @in_words
    def find_runs(self, workspace: str, token: str, words: str, order: str, _first: str, ticked: str) -> Updates:
        """Those that hold these words, in that order, from the first on."""
        return self.show(Workspace.of(self.settings, workspace), token, words, order, "0", ticked)

    @in_words
    def list_before(self, workspace: str, token: str, *state: Any) -> Updates:
        """The page of rows before."""
        return self._turn(workspace, token, -PAGE, *state)

    @in_words
    def list_after(self, workspace: str, token: str, *state: Any) -> Updates:
        """The page of rows after."""
        return self._turn(workspace, token, PAGE, *state)

    def _turn(self, workspace: str, token: str, by: int, words: str, order: str, first: str, ticked: str) -> Updates:
        at = max(0, Asked.of(first=first).first + by)
        return self.show(Workspace.of(self.settings, workspace), token, words, order, str(at), ticked)

    def pick_run(self, workspace: str, event: gr.EventData) -> Updates:
        """Show what can be done with the run whose name was pressed."""
        sent: Any = event._data
        run = self.one.meant(str(sent.get("run") or "") if isinstance(sent, dict) else "")
        return self.one.show(Workspace.of(self.settings, workspace), run)

    def tick_run(self, ticked: str, event: gr.EventData) -> Updates:
        """Keep what is ticked, also on other pages of the list."""
        return self._ticked(Asked.of(ticked=ticked).ticking(event._data).ticked[:MOST_TICKED])

    def lay_beside(self, workspace: str, token: str, *state: Any) -> Updates:
        """The runs that are ticked, side by side."""
        listed = self._listed(Workspace.of(self.settings, workspace), token)
        ticked = Asked.of(*state).ticked
        chosen = [run for run in listed if run.name in ticked]
        if not chosen:
            raise EngineError(TICK)
        return self.beside.show(chosen)

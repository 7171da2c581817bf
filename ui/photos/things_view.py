"""Everything of a visitor's here, with its size: deleting one thing or all, and keeping a training however old."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural, size_words
from tl_engine.runs.run import Run
from tl_engine.runs.titles import title_of
from tl_engine.visits import kept
from tl_engine.visits.ageing import promise
from tl_engine.workspaces import forget
from tl_engine.workspaces.workspace import RUN, Thing, Workspace, things
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates, open_radio
from ui.parts.confirm import Confirm
from ui.parts.question import waiting_file
from ui.parts.wording import text

After = Callable[[Workspace, str | None, str | None], Updates]
KEEP = "Keep this training, or no longer"
NOTHING = "Nothing here is yours yet."


class ThingsView:
    """Lays out the view, closed until somebody looks; `connect` wires it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Accordion("My things", open=False, elem_id="things") as self.box:
            if told := promise(settings.limits):
                gr.HTML(f'<p class="tl-hint">{told}</p>', elem_id="things-promise", padding=False)
            self.words = gr.HTML("", elem_id="things-words")
            self.thing = open_radio(label="Pick one", elem_id="things-list", visible=False)
            # At home everything is kept anyway.
            self.keep = gr.Button(KEEP, size="sm", elem_id="keep-one", visible=bool(settings.limits.run_seconds))
            self.one = Confirm("Delete this one", "delete-one")
            self.all = Confirm("Delete all that is mine", "delete-all", option="My trainings too")
            self.said = said_line("things-said")

    @property
    def listed(self) -> list[Any]:
        """What `show` changes."""
        return [self.words, self.thing]

    def show(self, visitor: Workspace) -> Updates:
        """All that is there."""
        found = things(visitor)
        total = sum(thing.bytes for thing in found)
        words = f"{plural(len(found), 'thing')}, {size_words(total)}" if found else NOTHING
        choices = [
            (
                f"{_kind(thing)}: {thing.title}, {thing.detail}, {size_words(thing.bytes)}{self._kept(thing)}",
                _key(thing),
            )
            for thing in found
        ]
        return {
            self.words: f'<p class="tl-hint">{text(words, 80)}</p>',
            self.thing: gr.Radio(choices=choices, value=None, visible=bool(found)),
        }

    def _kept(self, thing: Thing) -> str:
        """Whether it is kept, in words."""
        return ", kept" if thing.kind == RUN and kept.is_kept(Run(self.settings.runs / thing.key)) else ""

    def connect(self, waiting: Any, lists: list[Any], after: After) -> None:
        """Wire the buttons; `lists` are the page's data set and run, which `after` looks at again."""
        self.after = after
        act(self.box.expand, self.list_things, self.workspace, self.listed, self.said)
        named = [self.workspace, self.thing]
        self.one.connect(self.about_one, named, self.said)
        act(self.keep.click, self.keep_one, named, self.listed, self.said)
        self.all.connect(self.about_all, [self.workspace], self.said)
        changed = [*self.listed, *lists]
        act(self.one.yes.click, self.delete_one, [*named, *lists], [*changed, *self.one.shown], self.said)
        act(self.all.yes.click, self.delete_all, [self.workspace, self.all.option, waiting, *lists],
            [*changed, *self.all.shown],
            self.said)  # fmt: skip

    def list_things(self, workspace: str) -> Updates:
        """What is there now."""
        return self.show(Workspace.of(self.settings, workspace))

    def about_one(self, workspace: str, key: str) -> str:
        """The question before one thing goes."""
        thing = self._meant(workspace, key)
        return f"Delete {thing.title} ({thing.detail}, {size_words(thing.bytes)}) for good?"

    def about_all(self, workspace: str) -> str:
        """The question before everything goes."""
        found = things(Workspace.of(self.settings, workspace))
        if not found:
            raise EngineError(NOTHING)
        data = [thing for thing in found if thing.kind == "data"]
        return f"Delete {plural(len(data), 'data set')} ({size_words(sum(t.bytes for t in data))}) for good?"

    def _meant(self, workspace: str, key: str) -> Thing:
        found = next((t for t in things(Workspace.of(self.settings, workspace)) if _key(t) == key), None)
        if found is None:
            raise EngineError("Pick one of your things first.")
        return found

    def keep_one(self, workspace: str, key: str) -> Updates:
        """Keep a training however old it gets, or no longer."""
        visitor, thing = Workspace.of(self.settings, workspace), self._meant(workspace, key)
        if thing.kind != RUN:
            raise EngineError("Only trainings can be kept: photos go when you are away.")
        was = kept.is_kept(Run(self.settings.runs / thing.key))
        run = (kept.let_go if was else kept.keep)(visitor, thing.key)
        said = f"{title_of(run)} is {'no longer kept' if was else 'kept until you delete it'}."
        return {**self.show(visitor), self.said: answer_html(said)}

    def delete_one(self, workspace: str, key: str, *current: str | None) -> Updates:
        """Delete one data set or one training."""
        visitor, thing = Workspace.of(self.settings, workspace), self._meant(workspace, key)
        forget.delete_data(visitor, thing.key) if thing.kind == "data" else forget.delete_run(visitor, thing.key)
        said = answer_html(f"{thing.title} is deleted.")
        return {**self.show(visitor), **self.after(visitor, *current), **self.one.closed(), self.said: said}

    def delete_all(self, workspace: str, runs: bool, waiting: Any, *current: str | None) -> Updates:
        """Delete everything this visitor brought, and their trainings if they say so."""
        visitor = Workspace.of(self.settings, workspace)
        data, trainings = forget.delete_everything(visitor, waiting_file(waiting), runs=bool(runs))
        said = f"Deleted: {plural(data, 'data set')}, {plural(trainings, 'training')}."
        return {
            **self.show(visitor),
            **self.after(visitor, *current),
            **self.all.closed(),
            self.said: answer_html(said),
        }


def _kind(thing: Thing) -> str:
    return "Photos" if thing.kind == "data" else "Training"


def _key(thing: Thing) -> str:
    return f"{thing.kind} {thing.key}"

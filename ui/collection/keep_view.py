"""Name, download and delete a data set of one's own."""

from typing import Any

import gradio as gr

from tl_engine.base.names import TITLE_LENGTH
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.sources.collection import Collection
from tl_engine.workspaces import forget
from tl_engine.workspaces.scratch import PACKED, new_folder
from tl_engine.workspaces.workspace import Workspace
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates
from ui.parts.confirm import Confirm


class KeepView:
    """Lays out the view, which is there for data sets of one's own; `connect` wires it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Accordion("Rename, download, delete", open=False, visible=False, elem_id="keep") as self.box:
            with gr.Row(elem_classes="tl-named"):
                self.title = gr.Textbox(label="Name of the data set", max_length=TITLE_LENGTH, elem_id="title", scale=3)
                self.rename = gr.Button("Rename", size="sm", elem_id="rename", scale=1, min_width=90)
            with gr.Row(elem_classes="tl-buttons"):
                self.pack = gr.Button("Make a zip of class folders", size="sm", elem_id="pack")
                self.download = gr.DownloadButton("Download the zip", size="sm", visible=False, elem_id="zip")
            self.delete = Confirm("Delete this data set", "delete-own")
            self.said = said_line("keep-said")

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.box, self.title, self.download, self.said, *self.delete.shown]

    def show(self, own: Collection | None) -> Updates:
        """A data set of one's own; hidden for none."""
        return {
            self.box: gr.Accordion(visible=own is not None, open=False),
            self.title: own.title if own else "",
            self.download: gr.DownloadButton(visible=False),
            self.said: "",
            **self.delete.closed(),
        }

    def connect(self, choice: gr.Dropdown) -> None:
        """Wire the buttons; a deleted data set gives way to another in the list."""
        here = [choice, self.workspace]
        self.choice = choice
        act([self.rename.click, self.title.submit], self.rename_collection, [*here, self.title], [choice], self.said)
        act(self.pack.click, self.pack_zip, here, [self.download], self.said, show_progress="minimal",
            show_progress_on=self.said)  # fmt: skip
        self.delete.connect(self.about_to_delete, here, self.said)
        act(self.delete.yes.click, self.delete_collection, here, [choice, *self.delete.shown], self.said)

    def opened(self, choice: str | None, workspace: str) -> Collection:
        """The visitor's data set. Raises EngineError."""
        return Workspace.of(self.settings, workspace).collection(choice)

    def rename_collection(self, choice: str | None, workspace: str, title: str) -> Updates:
        """Call the data set something else."""
        own = self.opened(choice, workspace)
        own.rename(title)
        visitor = Workspace.of(self.settings, workspace)
        return {
            self.choice: gr.Dropdown(choices=visitor.choices(), value=choice),
            self.said: answer_html(f"It is called {own.title} now."),
        }

    def pack_zip(self, choice: str | None, workspace: str) -> Updates:
        """The data set as a zip, ready to be downloaded."""
        own = self.opened(choice, workspace)
        plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in own.title).strip("-") or "photos"
        archive = new_folder(PACKED, own.folder.name) / f"{plain}.zip"
        own.pack(archive)
        return {
            self.download: gr.DownloadButton(value=str(archive), visible=True),
            self.said: answer_html("The zip is ready."),
        }

    def about_to_delete(self, choice: str | None, workspace: str) -> str:
        """The question before it."""
        own = self.opened(choice, workspace)
        return f"Delete {own.title} with its {plural(sum(own.counts().values()), 'photo')} for good?"

    def delete_collection(self, choice: str | None, workspace: str) -> Updates:
        """Delete the data set for good, with what was corrected in it."""
        self.opened(choice, workspace)
        visitor = Workspace.of(self.settings, workspace)
        forget.delete_data(visitor, choice or "")
        listed = gr.Dropdown(choices=visitor.choices(), value=visitor.present(None))
        return {self.choice: listed, **self.delete.closed(), self.said: answer_html("The data set is deleted.")}

"""A classifier named by hub:USER/NAME in the list of classifiers: fetched with its progress, told, and listed."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import HubError
from tl_engine.base.events import Event, Note
from tl_engine.base.events import Progress as Told
from tl_engine.base.settings import Settings
from tl_engine.hub.classifiers import is_on_hub
from tl_engine.runs.find import IMAGENET
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates, open_dropdown
from ui.parts.wording import IMAGENET_LABEL
from ui.predict.classifiers import choices, classes_words

HINT = "One of these, or hub:USER/NAME for one that was pushed to the Hugging Face hub."
FETCHING = 1  # classifier at once, so that each sees how much room the others left


class FromHub:
    """Lays out the list of classifiers with a line below it; `connect` wires what is typed there."""

    def __init__(self, settings: Settings, pool: ClassifierPool, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.pool = pool
        self.workspace = workspace
        self.classifier = open_dropdown(
            [(IMAGENET_LABEL, IMAGENET)], value=IMAGENET, label="Classifier", elem_id="classifier", info=HINT
        )
        self.said = said_line("hub-said")
        # How many were; whoever waits for one looks at this. No gr.State: each tab would hold a connection for it.
        self.fetched = gr.Textbox("0", visible=False)

    def connect(self) -> None:
        """Look at what a person typed or chose."""
        lane = {"concurrency_limit": FETCHING, "concurrency_id": "hub", "show_progress": "minimal"}
        act(self.classifier.input, self.take_classifier, [self.workspace, self.classifier, self.fetched],
            [self.classifier, self.fetched], self.said, show_progress_on=self.said, **lane)  # fmt: skip

    def take_classifier(
        self,
        workspace: str,
        name: Any,
        fetched: str,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> Updates:
        """Fetch what was typed from the hub and list it; what is listed is there already."""
        visitor = Workspace.of(self.settings, workspace)
        if name in [value for _, value in choices(visitor, name if isinstance(name, str) else "")]:
            return {}
        if not isinstance(name, str) or not is_on_hub(name):
            raise HubError("There is no classifier of that name here: choose one of the list, or type hub:USER/NAME.")
        notes: list[str] = []

        def tell(event: Event) -> None:
            if isinstance(event, Note):
                notes.append(event.message)
            elif isinstance(event, Told):
                progress((event.done, event.total), desc="Fetching it from the hub")

        self.pool.take(visitor, name, tell)
        classes = self.pool.get(name).predictor.classes
        return {
            self.classifier: gr.Dropdown(choices=choices(visitor, name), value=name),
            self.fetched: f"{int(fetched or 0) + 1}",
            self.said: answer_html(f"{notes[-1] if notes else name}. It knows {classes_words(classes)}."),
        }

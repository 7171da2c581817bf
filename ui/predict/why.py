"""Why it answers so: which part of the photo speaks for a class, as a picture and a sentence."""

import functools
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.workspaces.classifier_pool import ClassifierPool
from ui.gate.lanes import WHY
from ui.parts.acting import answering, said_line
from ui.parts.components import Updates, open_dropdown
from ui.parts.wording import text


class WhyView:
    """Lays out the view, there once there is an answer; `connect` wires it to photo and classifier."""

    def __init__(self, pool: ClassifierPool) -> None:
        self.pool = pool
        with gr.Column(visible=False, elem_id="why-box") as self.box:
            with gr.Row(elem_classes="tl-named"):
                self.class_name = open_dropdown([], label="Why not or why", elem_id="why-class", min_width=140)
                self.show = gr.Button("Show why", elem_id="why", min_width=100)
                self.hide = gr.Button("By hiding parts (slower)", elem_id="why-hide", min_width=100)
            self.said = said_line("why-said")
            self.sentence = gr.HTML("", elem_id="why-sentence", padding=False)
            self.picture = gr.Image(
                label="What speaks for it",
                interactive=False,
                visible=False,
                height=224,
                buttons=[],
                elem_id="why-picture",
                alt_text="The photo, what speaks for the class in bright colours",
            )

    @property
    def shown(self) -> list[Any]:
        """What another answer changes."""
        return [self.box, self.class_name, self.sentence, self.picture]

    def offer(self, classes: list[str]) -> Updates:
        """Offer to explain these classes of the answer, the likeliest first; nothing is computed yet."""
        return {
            self.box: gr.Column(visible=bool(classes)),
            self.class_name: gr.Dropdown(choices=classes, value=classes[0] if classes else None),
            self.sentence: "",
            self.picture: gr.Image(value=None, visible=False),
        }

    def connect(self, photo: gr.Image, classifier: gr.Dropdown) -> None:
        """Wire the two buttons; they have a lane of their own, since hiding parts takes seconds."""
        for button, by_hiding in ((self.show, False), (self.hide, True)):
            handler = functools.partial(self.explain_photo, by_hiding)
            asked = [photo, classifier, self.class_name]
            button.click(answering(handler, self.said), asked, [self.sentence, self.picture, self.said],
                         show_progress_on=self.sentence, api_visibility="private", **WHY)  # fmt: skip

    def explain_photo(self, by_hiding: bool, file: str | None, name: str, class_name: str | None) -> Updates:
        """The part of the photo that speaks for the class."""
        if not file:
            raise EngineError("There is no photo yet: choose one first.")
        from tl_engine.explain.explained import explain

        shared = self.pool.get(name)
        picture = shared.predictor.open(Path(file))
        work = functools.partial(explain, image=picture, class_name=class_name or None, by_hiding=by_hiding)
        # A heat map hangs hooks on the network; hiding parts only asks it, many times.
        found = work(shared.predictor) if by_hiding else shared.alone(work)
        return {
            self.sentence: f'<p role="status">{text(found.sentence, 400)}</p>',
            self.picture: gr.Image(value=found.picture, visible=True),
        }

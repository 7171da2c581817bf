"""A press that destroys something, or takes long, asks first: the question appears below, with yes and no."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.parts.acting import act
from ui.parts.components import Updates
from ui.parts.wording import text


class Confirm:
    """The button, and the question that it opens."""

    def __init__(
        self,
        label: str,
        name: str,
        option: str = "",
        *,
        yes: str = "Yes, delete",
        no: str = "No, keep",
        variant: Any = "stop",
    ) -> None:
        self.ask = gr.Button(label, size="sm", variant=variant, elem_id=name)
        with gr.Column(visible=False, elem_classes="tl-confirm", elem_id=f"{name}-question") as self.box:
            self.words = gr.HTML("")
            self.option = gr.Checkbox(False, label=option, visible=bool(option))
            with gr.Row():
                self.yes = gr.Button(yes, size="sm", variant="stop", elem_id=f"{name}-yes")
                self.no = gr.Button(no, size="sm", elem_id=f"{name}-no")

    @property
    def shown(self) -> list[Any]:
        """What asking and answering change."""
        return [self.box, self.words, self.option]

    def connect(self, question: Callable[..., str], inputs: list[Any], said: gr.HTML) -> None:
        """`question(*inputs)` says what would go, or refuses; what follows a yes is the owner's to wire."""

        def ask(*values: Any) -> Updates:
            return {
                self.box: gr.Column(visible=True),
                self.words: f'<p role="alert">{text(question(*values), 300)}</p>',
            }

        act(self.ask.click, ask, inputs, self.shown, said)
        act(self.no.click, self.closed, None, self.shown, said)

    def closed(self) -> Updates:
        """The question answered or taken back."""
        return {self.box: gr.Column(visible=False), self.option: False}

"""The camera: bursts of photos into one class. Where a page gets no camera, the device's own takes its place."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.sources.collection import Collection
from ui.collection.undo import Undo
from ui.collection.words import hint
from ui.parts.acting import act, answer_html
from ui.parts.components import Updates, photos_button
from ui.parts.wording import QUIET, text

BURST: dict[str, Any] = {"stream_every": 0.2, "time_limit": 120}  # seconds, of a photo and of a whole burst
SETTLING = 2.0  # seconds between two looks at what a burst has brought
CAMERAS = 30  # visitors whose cameras run at once
NO_PAGE_CAMERA = "This browser gives pages without https no camera: your device's own camera takes its place."


class Camera:
    """The panel, hidden until a class asks for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with gr.Column(visible=False, elem_id="camera-panel") as self.panel:
            self.words = gr.HTML("")
            with gr.Column(elem_classes="tl-with-camera", elem_id="camera-box"):
                self.camera = gr.Image(
                    sources=["webcam"],
                    streaming=True,
                    type="filepath",
                    label="Press record for a burst of five photos a second, stop to end it",
                    height=300,
                    elem_id="camera",
                    buttons=[],
                )
            with gr.Column(elem_classes="tl-without-camera", elem_id="snapshot-box"):
                gr.HTML(hint(NO_PAGE_CAMERA))
                self.snapshot = photos_button("Take a photo", elem_id="snapshot", elem_classes="tl-snapshot")
            self.close = gr.Button("Close the camera", size="sm", elem_id="camera-close")
        self.target = gr.Textbox("", visible=False)  # the class that photos go to
        self.since = gr.Textbox("", visible=False)  # when the burst began, nanoseconds since 1970
        self.seen = gr.Textbox("", visible=False)  # how many photos the class had at the last look
        self.timer = gr.Timer(SETTLING, active=False)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.panel, self.words, self.target]

    def show(self, name: str | None) -> Updates:
        """Open for a class; closed for none."""
        words = f"<p><b>Camera: photos go to {text(name)}</b></p>" if name else ""
        return {self.panel: gr.Column(visible=bool(name)), self.words: words, self.target: name or ""}

    def connect(
        self, here: list[Any], opened: Callable[[str | None, str], Collection], undo: Undo, said: gr.HTML
    ) -> None:
        """Wire the burst. `opened` gives the data set that its photos go to; `follow` shows them."""
        self.opened, self.undo, self.said = opened, undo, said
        act(self.close.click, self.close_camera, None, self.shown, said)
        self.camera.stream(
            self.take_frame, [*here, self.target, self.since, self.camera], [said, self.since, self.timer],
            show_progress="hidden", concurrency_limit=CAMERAS, concurrency_id="camera", api_visibility="private",
            **BURST,
        )  # fmt: skip

    def follow(self, here: list[Any], show_class: Callable[..., Updates], cards: list[Any], names: list[Any]) -> None:
        """While a burst goes on and shortly after, since its last photos arrive when it has been stopped."""

        def follow_burst(choice: str | None, workspace: str, name: str, since: str, seen: str, *slots: str) -> Updates:
            own = self.opened(choice, workspace)
            number = own.counts().get(name, 0)
            moving = str(number) != seen
            began = int(since) if since.isdecimal() else 0
            came = len(own.added_since(name, began)) if began and name in own.classes() else 0
            return {
                self.said: answer_html(f"{plural(number, 'photo')} in {name}."),
                self.seen: str(number),
                self.timer: gr.Timer(active=moving),
                self.since: since if moving else "",
                **self.undo.after_adding(name, began, came),
                **show_class(own, name, slots),
            }

        followed = [self.said, self.seen, self.timer, self.since, *self.undo.shown, *cards]
        self.timer.tick(follow_burst, [*here, self.target, self.since, self.seen, *names], followed, **QUIET)

    def close_camera(self) -> Updates:
        """Put the panel away."""
        return self.show(None)

    def take_frame(self, choice: str | None, workspace: str, name: str, since: str, frame: str | None) -> Updates:
        """Keep one photo of a burst; what is wrong is said in its place."""
        if not frame:
            return {self.said: gr.skip()}
        began = since or str(time.time_ns())
        try:
            own = self.opened(choice, workspace)
            own.add(name, Path(frame), self.settings.limits, shown="the camera's photo")
        except EngineError as error:
            return {self.said: answer_html(f"{error} Stop the camera.", alert=True)}
        return {
            self.said: answer_html(f"{plural(own.counts().get(name, 0), 'photo')} in {name}."),
            self.since: began,
            self.timer: gr.Timer(active=True),
        }

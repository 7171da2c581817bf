"""The camera: bursts of photos into one class. Where a page gets no camera, the device's own takes its place."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.sources.collection import Collection
from tl_engine.workspaces import forget
from ui.collection.undo import Undo
from ui.collection.words import hint
from ui.parts.acting import act, answer_html
from ui.parts.components import Updates, photos_button
from ui.parts.wording import QUIET, UNSEEN, text

BURST: dict[str, Any] = {"stream_every": 0.2, "time_limit": 120}  # seconds, of a photo and of a whole burst
SETTLING = 2.0  # seconds between two looks at what a burst has brought
CAMERAS = 30  # visitors whose cameras run at once
NO_PAGE_CAMERA = "This browser gives pages without https no camera: your device's own camera takes its place."


@dataclass(slots=True)
class Burst:
    """Photos that one press on record brings into one class; times in nanoseconds since 1970."""

    began: int
    last: int
    taken_back: bool = False


class Bursts:
    """The newest burst of each class. A page learns only from an answer when its burst began.

    So several photos may be on their way that each know of no burst yet, and others while a burst is being undone.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Path, str], Burst] = OrderedDict()
        self._lock = threading.Lock()

    def began(self, own: Collection, name: str, since: str) -> int | None:
        """When the burst of a photo that arrives now began; None for one of a burst that was taken back."""
        now = time.time_ns()
        with self._lock:
            known = self._known.pop((own.folder, name), None)
            same = known and (str(known.began) == since or (not since and self._goes_on(known, now)))
            burst = known if known and same else Burst(int(since) if since.isdecimal() else now, now)
            burst.last = now
            self._known[own.folder, name] = burst
            while len(self._known) > CAMERAS:
                self._known.popitem(last=False)
            return None if burst.taken_back else burst.began

    def take_back(self, own: Collection, began: int | None) -> None:
        """Whatever still arrives of the burst that began then is not kept: its photos are being removed."""
        with self._lock:
            for (folder, _), burst in self._known.items():
                burst.taken_back = burst.taken_back or (folder == own.folder and burst.began == began)

    def _goes_on(self, burst: Burst, now: int) -> bool:
        return not burst.taken_back and now - burst.last < SETTLING * 1e9


class Camera:
    """The panel, hidden until a class asks for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bursts = Bursts()
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
            concurrency_limit=CAMERAS, concurrency_id="camera", api_visibility="private", **UNSEEN,
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
        try:
            own = self.opened(choice, workspace)
            began = self.bursts.began(own, name, since)
            if began is None:
                return {self.said: gr.skip()}
            kept = own.add(name, Path(frame), self.settings.limits, shown="the camera's photo")
            if self.bursts.began(own, name, str(began)) is None:  # taken back while it was being read
                forget.delete_photos(own, name, [kept.name], self.settings)
        except EngineError as error:
            return {self.said: answer_html(f"{error} Stop the camera.", alert=True)}
        return {
            self.said: answer_html(f"{plural(own.counts().get(name, 0), 'photo')} in {name}."),
            self.since: str(began),
            self.timer: gr.Timer(active=True),
        }

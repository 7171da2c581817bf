"""Putting a data set together: a card for each class, photos from files and camera. Every photo is kept at once."""

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError, ImageError
from tl_engine.base.settings import Settings
from tl_engine.sources.collection import Collection
from tl_engine.workspaces import forget
from tl_engine.workspaces.workspace import Workspace
from ui.collection.camera import Camera
from ui.collection.card import Card, class_items, class_now
from ui.collection.undo import Undo, began, take_back
from ui.collection.words import hint, taken_words
from ui.parts.acting import act, answer_html, answering, removed_words
from ui.parts.components import Updates
from ui.parts.photo_grid import names

CARDS = 6  # classes side by side
TAKERS = 4  # uploads of photos being looked at and kept at once


class Cards:
    """Lays out the cards; `connect` wires them to the data set that is chosen."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Column(visible=False, elem_id="cards") as self.panel:
            with gr.Row(elem_classes="tl-cards"):
                self.cards = [Card(settings, number) for number in range(1, CARDS + 1)]
            with gr.Row(visible=False, elem_classes="tl-pager") as self.pager:
                self.back = gr.Button("‹ Classes before", size="sm", elem_id="classes-back")
                self.where = gr.HTML("")
                self.on = gr.Button("More classes ›", size="sm", elem_id="classes-next")
            self.page = gr.Number(1, visible=False)
            self.add_class_button = gr.Button("+ Add a class", elem_id="add-class", size="sm")
            self.camera = Camera(settings)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        parts = [part for card in self.cards for part in card.shown]
        return [self.panel, self.pager, self.back, self.where, self.on, self.page, *self.camera.shown, *parts]

    def connect(self, choice: gr.Dropdown, undo: Undo, said: gr.HTML) -> None:
        """Wire everything that stays within the cards; `said` is where it answers."""
        self.undo, self.said = undo, said
        here = [choice, self.workspace]
        slots = [card.name for card in self.cards]
        changed = [*self.shown, *undo.shown]
        act(self.add_class_button.click, self.add_class, [*here, *slots], changed, said)
        act(self.back.click, functools.partial(self.turn_page, -1), [*here, self.page], changed, said)
        act(self.on.click, functools.partial(self.turn_page, 1), [*here, self.page], changed, said)
        act(undo.button.click, self.undo_last, [*here, undo.state, self.page], changed, said)
        for card in self.cards:
            self._connect_card(card, here)
        self.camera.connect(here, self.opened, undo, said)
        self.camera.follow(here, self.show_class, [part for card in self.cards for part in card.shown], slots)
        takes = [said, *changed]
        self.camera.snapshot.upload(
            answering(self.take_snapshots, said), [*here, self.camera.target, self.camera.snapshot, *slots], takes,
            **self._taking,
        )  # fmt: skip

    @property
    def _taking(self) -> dict[str, Any]:
        return {
            "api_visibility": "private", "concurrency_limit": TAKERS, "concurrency_id": "photos",
            "show_progress": "minimal", "show_progress_on": self.said,
        }  # fmt: skip

    def _connect_card(self, card: Card, here: list[Any]) -> None:
        meant, changed = [*here, card.name, card.title], [*card.shown, *self.undo.shown]

        def items(choice: str | None, workspace: str, name: str) -> Any:
            return class_items(self.opened(choice, workspace), name)

        card.grid.connect(items, [*here, card.name], self.said)
        card.add.upload(
            answering(functools.partial(self.take_photos, card), self.said), [*meant, card.add],
            [self.said, *changed], **self._taking,
        )  # fmt: skip
        act([card.title.submit, card.title.blur], functools.partial(self.rename_class, card), meant, changed, self.said)
        filmed = act(card.film.click, self.open_camera, meant, self.camera.shown, self.said)
        filmed.then(None, js="() => window.tlShow('camera-panel')")
        act(card.drop.click, functools.partial(self.drop_marked, card), [*meant, card.grid.marked], changed, self.said)
        act(
            card.delete.click,
            functools.partial(self.delete_class, card),
            meant,
            [*changed, *self.camera.shown],
            self.said,
        )

    def opened(self, choice: str | None, workspace: str) -> Collection:
        """The visitor's data set. Raises EngineError."""
        return Workspace.of(self.settings, workspace).collection(choice)

    def show(self, own: Collection | None, page: float = 1) -> Updates:
        """Some classes of a data set; no card where it is none of the visitor's own."""
        known = own.classes() if own else []
        pages = max(1, -(-len(known) // CARDS))
        number = min(max(1, int(page)), pages)
        first = (number - 1) * CARDS
        here = known[first : first + CARDS]
        slots = [*here, *[None] * (CARDS - len(here))]
        cards: Updates = {}
        for card, name in zip(self.cards, slots, strict=True):
            cards |= card.show(own, name) if own else {}
        return {
            self.panel: gr.Column(visible=own is not None),
            self.pager: gr.Row(visible=pages > 1),
            self.back: gr.Button(interactive=number > 1),
            self.where: hint(f"Classes {first + 1} to {first + len(here)} of {len(known)}"),
            self.on: gr.Button(interactive=number < pages),
            self.page: number,
            **self.camera.show(None),
            **cards,
        }

    def show_class(self, own: Collection, name: str, slots: Sequence[str]) -> Updates:
        """The card that shows this class, if one does."""
        shown = [card for card, slot in zip(self.cards, slots, strict=True) if slot == name]
        return shown[0].show(own, name) if shown else {}

    def turn_page(self, by: int, choice: str | None, workspace: str, page: float) -> Updates:
        """The classes before or after."""
        return {**self.show(self.opened(choice, workspace), page + by), **self.undo.nothing()}

    def add_class(self, choice: str | None, workspace: str, *slots: str) -> Updates:
        """One more class, in the first free place: nothing that is shown moves."""
        own = self.opened(choice, workspace)
        name = own.add_class(own.next_class_name(), self.settings.limits)
        known = own.classes()
        free = [card for card, slot in zip(self.cards, slots, strict=True) if slot not in known or slot == name]
        shown = free[0].show(own, name) if free else self.show(own, -(-len(known) // CARDS))
        return {**shown, **self.undo.nothing()}

    def take_photos(
        self, card: Card, choice: str | None, workspace: str, name: str, title: str, files: list[str]
    ) -> Updates:
        """Keep uploaded photos of a card's class."""
        own = self.opened(choice, workspace)
        meant = class_now(own, name, title)
        return {**self._kept(own, meant, files), **card.show(own, meant)}

    def take_snapshots(self, choice: str | None, workspace: str, name: str, files: list[str], *slots: str) -> Updates:
        """Keep what the device's own camera took."""
        own = self.opened(choice, workspace)
        return {**self._kept(own, name, files), **self.show_class(own, name, slots)}

    def _kept(self, own: Collection, name: str, files: list[str]) -> Updates:
        """Keep photos; what is no photo is named and the others stay."""
        kept, refusals, began = 0, [], time.time_ns()
        for file in files:
            try:
                own.add(name, Path(file), self.settings.limits)
                kept += 1
            except ImageError as error:
                refusals.append(str(error))
            except EngineError as error:  # no room, or the class is gone: what came before stays
                refusals.append(str(error))
                break
        return {self.said: taken_words(kept, name, refusals), **self.undo.after_adding(name, began, kept)}

    def rename_class(self, card: Card, choice: str | None, workspace: str, name: str, title: str) -> Updates:
        """Call a class what was typed."""
        if not name or not title.strip() or title == name:
            return {card.title: name}
        own = self.opened(choice, workspace)
        if name not in own.classes() and class_now(own, name, title) != name:  # another press was faster
            return {}
        plain = forget.rename_class(own, name, title, self.settings)
        return {
            **card.show(own, plain),
            **self.undo.nothing(),
            self.said: answer_html(f"This class is called {plain} now."),
        }

    def open_camera(self, choice: str | None, workspace: str, name: str, title: str) -> Updates:
        """The camera, for the class of a card."""
        own = self.opened(choice, workspace)
        return self.camera.show(class_now(own, name, title))

    def drop_marked(
        self, card: Card, choice: str | None, workspace: str, name: str, title: str, marked: str
    ) -> Updates:
        """Take the marked photos out; until the next change they can be brought back."""
        own = self.opened(choice, workspace)
        meant = class_now(own, name, title)
        files = sorted(names(marked))
        if not files:
            raise EngineError("No photo is marked: tap the ones you mean first.")
        number = forget.remove_photos(own, meant, files, self.settings)
        said = answer_html(removed_words(number))
        return {**card.show(own, meant), **self.undo.after_removing(number), self.said: said}

    def delete_class(self, card: Card, choice: str | None, workspace: str, name: str, title: str) -> Updates:
        """Delete a class; its photos can be brought back until the next change."""
        own = self.opened(choice, workspace)
        meant = class_now(own, name, title)
        photos = [photo.name for photo in own.photos(meant)]
        number = forget.remove_photos(own, meant, photos, self.settings) if photos else 0
        forget.delete_class(own, meant, self.settings)
        said = answer_html(f"The class {meant} is deleted. {removed_words(number)}")
        return {**card.show(own, None), **self.undo.after_removing(number), **self.camera.show(None), self.said: said}

    def undo_last(self, choice: str | None, workspace: str, state: str, page: float) -> Updates:
        """Take back what was done last."""
        own = self.opened(choice, workspace)
        self.camera.bursts.take_back(own, began(state))
        said = take_back(state, own, self.settings)
        return {**self.show(own, page), **self.undo.nothing(), self.said: answer_html(said)}

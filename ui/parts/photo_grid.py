"""A page of photos as thumbnails, of which some are marked by a click. What is marked lies in the page, as text."""

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import ImageError
from tl_engine.base.files import write_whole
from tl_engine.base.parallel import in_order
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.photos.thumbnails import thumbnail
from tl_engine.workspaces.scratch import new_folder
from ui.parts.acting import act
from ui.parts.components import Updates

PER_PAGE = 24
MARK = "✓ "
GREY = Path(__file__).parent / "no-preview.png"
LONGEST_CAPTION = 40  # characters


@dataclass(frozen=True, slots=True)
class Item:
    """One photo to show: where it lies, what it is called between page and server, and what stands below it."""

    path: Path
    file: str
    caption: str


class PhotoGrid:
    """The gallery with its pager. `show` fills it; `marked` holds the names of the marked photos as json."""

    def __init__(self, settings: Settings, label: str, name: str, *, columns: int = 6, markable: bool = True) -> None:
        self.settings = settings
        self.markable = markable  # whether marking many at once means anything here
        self.gallery = gr.Gallery(
            label=label,
            columns=columns,
            fit_columns=False,
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id=name,
            elem_classes="tl-grid",
        )
        with gr.Row(elem_classes="tl-pager"):
            self.back = gr.Button("‹ Back", size="sm", min_width=60, interactive=False, elem_id=f"{name}-back")
            self.where = gr.HTML("", elem_id=f"{name}-where")
            self.on = gr.Button("Next ›", size="sm", min_width=60, interactive=False, elem_id=f"{name}-next")
            self.all = gr.Button("Mark all here", size="sm", min_width=90, visible=False, elem_id=f"{name}-all")
        self.page = gr.Number(1, visible=False)
        self.marked = gr.Textbox("[]", visible=False)
        # Of the photos shown: a click means one of those, whatever was added or removed since.
        self.files = gr.Textbox("[]", visible=False)

    @property
    def state(self) -> list[Any]:
        """What a handler needs of it: page and marks."""
        return [self.page, self.marked]

    @property
    def shown(self) -> list[Any]:
        """What `show` may change."""
        return [self.gallery, self.back, self.where, self.on, self.all, self.page, self.marked, self.files]

    def show(self, items: Sequence[Item], page: float = 1, marked: str = "[]") -> Updates:
        """One page of these photos."""
        pages = max(1, -(-len(items) // PER_PAGE))
        number = min(max(1, int(page)), pages)
        part = items[(number - 1) * PER_PAGE : number * PER_PAGE]
        known = names(marked) & {item.file for item in items}
        small = in_order(lambda item: handed_out(item.path, self.settings), part)
        value = [
            (picture, (MARK if item.file in known else "") + item.caption[:LONGEST_CAPTION])
            for item, picture in zip(part, small, strict=True)
        ]
        several, here = pages > 1, {item.file for item in part}
        all_words = "Mark none here" if here and here <= known else "Mark all here"
        return {
            self.gallery: value,
            self.back: gr.Button(interactive=number > 1, visible=several),
            self.where: _where(len(items), len(known), number, pages),
            self.on: gr.Button(interactive=number < pages, visible=several),
            self.all: gr.Button(all_words, visible=bool(part) and self.markable),
            self.page: number,
            self.marked: json.dumps(sorted(known)),
            self.files: json.dumps([item.file for item in part]),
        }

    def connect(self, items_of: Callable[..., Sequence[Item]], inputs: Sequence[Any], said: gr.HTML) -> None:
        """Wire pager and marks; `items_of(*inputs)` lists the photos, always in the same order."""
        given = [*inputs, *self.state]
        clicked = [*inputs, *self.state, self.files]

        def turn_back(*values: Any) -> Updates:
            return self.show(items_of(*values[:-2]), values[-2] - 1, values[-1])

        def turn_on(*values: Any) -> Updates:
            return self.show(items_of(*values[:-2]), values[-2] + 1, values[-1])

        def mark_photo(event: gr.SelectData, *values: Any) -> Updates:
            page, marked, files = values[-3:]
            return self.show(items_of(*values[:-3]), page, toggled(marked, files, event.index))

        def mark_all(*values: Any) -> Updates:
            page, marked, files = values[-3:]
            return self.show(items_of(*values[:-3]), page, all_toggled(marked, files))

        act(self.back.click, turn_back, given, self.shown, said)
        act(self.on.click, turn_on, given, self.shown, said)
        act(self.gallery.select, mark_photo, clicked, self.shown, said)
        act(self.all.click, mark_all, clicked, self.shown, said)


def _where(photos: int, marked: int, page: int, pages: int) -> str:
    """How many there are and are marked, and of several pages which."""
    if not photos:
        return ""
    words = [plural(photos, "photo")]
    words += [f"page {page} of {pages}"] if pages > 1 else []
    words += [f"{marked:,} marked"] if marked else []
    return f'<p class="tl-hint">{", ".join(words)}</p>'


def all_toggled(marked: str, files: str) -> str:
    """The marks after all files shown were marked, or none of them if all were."""
    here, known = names(files), names(marked)
    return json.dumps(sorted(known - here if here <= known else known | here))


def toggled(marked: str, files: str, index: int) -> str:
    """The marks after a click on one of the files shown."""
    shown = _listed(files)
    clicked = set(shown[index : index + 1]) if 0 <= index < len(shown) else set()
    return json.dumps(sorted(names(marked) ^ clicked))


def names(sent: str) -> set[str]:
    """File names as the page sends them; whatever else a browser sends counts as none."""
    return set(_listed(sent))


def _listed(sent: str) -> list[str]:
    try:
        found = json.loads(sent)
    except (ValueError, TypeError, RecursionError):
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def handed_out(path: Path, settings: Settings) -> str:
    """A copy of the thumbnail where Gradio may serve it from; a grey field for a photo that cannot be shown."""
    try:
        small = thumbnail(path, settings)
    except ImageError:
        small = GREY
    copy = new_folder("thumbnails", time.strftime("%Y-%m-%d")) / small.name
    if not copy.exists():
        with contextlib.suppress(OSError):  # no room: the gallery has a gap
            write_whole(copy, small.read_bytes())
    return str(copy)

"""Whether an answer is to be believed, in words, and the training photos that a picture resembles most."""

from typing import TYPE_CHECKING

from tl_engine.evaluation.html import inline
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.hub.classifiers import page_classifier
from tl_engine.runs.run import Run
from tl_engine.workspaces.workspace import Workspace
from ui.parts.wording import text

if TYPE_CHECKING:
    from tl_engine.classifiers.answers import Answer

NOTES = {"ok": "", "not sure": "not sure", "unlike": "unlike anything it was shown"}
MARKS = {"ok": "✓", "not sure": "?", "unlike": "✕"}


def verdict_html(answer: "Answer", name: str, visitor: Workspace) -> str:
    """A sentence and up to five small photos, which who has the run by a link only sees as classes.

    Names and classes are text.
    """
    likeliest, probability = next(iter(answer.probabilities.items()))
    said = {
        "ok": f"<b>{text(likeliest)}</b>",
        "not sure": f"<b>Not sure.</b> {text(likeliest)} is only the likeliest of its classes ({probability:.0%}).",
        "unlike": "<b>Unlike anything it was shown.</b> It can only name its own classes, so do not trust the answer.",
    }[answer.verdict]
    line = f'<p role="status"><span aria-hidden="true">{MARKS[answer.verdict]}</span> {said}</p>'
    return f'<div class="tl-verdict" data-verdict="{answer.verdict}">{line}{_nearest(answer, name, visitor)}</div>'


def _nearest(answer: "Answer", name: str, visitor: Workspace) -> str:
    folder = page_classifier(name, visitor.settings) if answer.nearest else None
    if folder is None:
        return ""
    run = Run(folder.parent)
    photos = RunPhotos.of(run) if visitor.may_list(run) else RunPhotos.of(run).hidden()
    items = []
    for photo in answer.nearest:
        picture = inline(photos.small(photo.file))
        shown = f'<img src="{picture}" alt="">' if picture else '<span class="tl-gone" aria-hidden="true">?</span>'
        items.append(f"<li>{shown}<span>{text(photo.class_name, 24)}</span></li>")
    return f'<p class="tl-hint">Most like these that it was shown:</p><ul class="tl-nearest">{"".join(items)}</ul>'

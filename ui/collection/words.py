"""What is said while a data set is put together: counts, and what became of an upload."""

import html

from tl_engine.base.words import plural
from ui.parts.wording import text

SHOWN_REFUSALS = 3  # files named in one sentence
ENOUGH = 12  # photos of a class with which a first result is worth something


def hint(sentence: str) -> str:
    """A quiet line."""
    return f'<p class="tl-hint">{html.escape(sentence)}</p>'


def count_words(number: int) -> str:
    """How many photos a class has, and while there are few, how many are good."""
    more = f": {ENOUGH} or more are good" if number < ENOUGH else ""
    return hint(f"{plural(number, 'photo')}{more}" if number else f"No photo yet{more}")


def taken_words(kept: int, name: str, refusals: list[str]) -> str:
    """What became of an upload, in words; files left out by name."""
    more = f"<li>and {len(refusals) - SHOWN_REFUSALS} more</li>" if len(refusals) > SHOWN_REFUSALS else ""
    listed = "".join(f"<li>{text(reason, 200)}</li>" for reason in refusals[:SHOWN_REFUSALS]) + more
    left_out = f"<p>{plural(len(refusals), 'file')} left out:</p><ul>{listed}</ul>" if refusals else ""
    role = "status" if kept or not refusals else "alert"
    return f'<div class="tl-data" role="{role}"><p>{plural(kept, "photo")} added to {text(name)}.</p>{left_out}</div>'

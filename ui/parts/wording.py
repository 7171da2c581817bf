"""Words that several modules of the page say, and how names from outside become text."""

import html
from typing import Any

from tl_engine.base.names import printable

# No spinner. With no part to show one on, Gradio's page also need not walk through all its parts, looking for each
# output of each handler that ever ran, whenever one of them starts, speaks or ends.
UNSEEN: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": []}
# A handler that only reads: past the queue, not for programs.
QUIET: dict[str, Any] = {"queue": False, "api_visibility": "private", **UNSEEN}
TITLE = "Teach a classifier with your own photos"
INTRO = (
    "Photos sorted into classes go in; a classifier you can try and share comes out. "
    "Nothing you upload leaves the computer this page runs on."
)
STRATEGIES = {
    "feature-extraction": (
        "Train the last layer only (seconds)",
        "The network looks at each photo once; then only its last layer learns. Fast, and best with few photos.",
    ),
    "head-then-all": (
        "Last layer, then everything (minutes)",
        "First the last layer alone, then gently the whole network. Often the most accurate.",
    ),
    "fine-tuning": (
        "Train everything (minutes)",
        "All layers learn from the first step on. Needs more time and photos.",
    ),
    "from-scratch": (
        "Start from nothing (long)",
        "Random weights, to see what the pretrained knowledge was worth. Expect much less accuracy.",
    ),
}
FIT_WORDS = {"crop": "Centre", "pad": "Padding", "stretch": "Stretching"}
PRESETS = {"Sensible defaults": None, "PyTorch tutorial": "tutorial", "Blog": "blog"}
IMAGENET_LABEL = "1,000 everyday things (ImageNet)"
SHIPPED_LABELS = {"cats-or-dogs": "Cats or dogs", "ants-or-bees": "Ants or bees"}
NO_RUN = "No training yet. Press Train: the settings on this page work as they are."
STATE_WORDS = {
    "queued": "Waiting",
    "running": "Training",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
STATE_MARKS = {
    "queued": "◷",
    "running": "▶",
    "finished": "✓",
    "stopped": "■",
    "failed": "✕",
    "interrupted": "!",
}


def text(value: object, most: int = 40) -> str:
    """A name from outside as HTML text, never longer than `most` characters."""
    plain = printable(str(value))
    return html.escape(plain if len(plain) <= most else plain[: most - 1] + "…")

"""What is in a data set, as HTML: classes as bars by split, and files by name with the reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from tl_engine.base.words import plural
from ui.parts.wording import text

BARS = 30  # classes shown with a bar; more are counted
MOST_FILES = 500  # named of one kind
SPLIT_WORDS = {"train": "training", "val": "validation", "test": "test"}


def counts_table(classes: Mapping[str, Mapping[str, int]]) -> str:
    """A row for each class: a bar for all its photos and their number by split."""
    totals = {name: sum(splits.values()) for name, splits in classes.items()}
    largest = max([1, *totals.values()])
    splits = [split for split in SPLIT_WORDS if any(split in counts for counts in classes.values())]
    shown = splits if len(splits) > 1 else []
    head = "".join(f'<th scope="col">{SPLIT_WORDS[split]}</th>' for split in shown)
    rows = [
        f'<tr><th scope="row" title="{text(name, 120)}">{text(name, 28)}</th><td class="tl-bar">'
        f'<span style="width:{100 * total / largest:.0f}%"></span></td>'
        + "".join(f"<td>{classes[name].get(split, 0):,}</td>" for split in shown)
        + f"<td>{total:,}</td></tr>"
        for name, total in list(totals.items())[:BARS]
    ]
    more = f"<p>and {plural(len(totals) - BARS, 'class', 'classes')} more</p>" if len(totals) > BARS else ""
    titles = f'<tr><th scope="col">class</th><td></td>{head}<th scope="col">all</th></tr>' if shown else ""
    return f"<table>{titles}{''.join(rows)}</table>{more}"


def findings_html(title: str, findings: Sequence[Mapping[str, Any]]) -> str:
    """Files with the reason, folded when there are many."""
    rows = "".join(
        f'<tr><th scope="row">{text(f["file"], 80)}</th><td>{text(f["reason"], 200)}</td></tr>'
        for f in findings[:MOST_FILES]
    )
    more = f"<p>and {len(findings) - MOST_FILES:,} more</p>" if len(findings) > MOST_FILES else ""
    number = sum(max(1, finding.get("files", 1)) for finding in findings)
    opened = " open" if len(findings) <= 3 else ""
    return (
        f'<details class="tl-findings"{opened}><summary>{text(title)}: {plural(number, "file")}</summary>'
        f"<table>{rows}</table>{more}</details>"
    )

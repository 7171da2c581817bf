"""What the Check view shows of a report: its sentences as HTML, its findings as photos."""

from pathlib import Path

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.names import printable
from tl_engine.base.words import plural
from tl_engine.base.written import AUTO
from tl_engine.data.mends import DROP, Located
from tl_engine.inspection.advice import UNEVEN
from tl_engine.inspection.findings import Report
from tl_engine.workspaces.chosen import Chosen
from ui.parts.data_table import counts_table, findings_html
from ui.parts.photo_grid import Item
from ui.parts.wording import text


def doubtful_items(report: Report, mends: Located) -> list[Item]:
    """Suspicious labels nobody has judged yet."""
    judged = {mend.file for mend in mends.mends}
    return [
        Item(mends.root / s["file"], printable(s["file"]), f"{s['label']} → {s['suggested']}? {s['score']:.2f}")
        for s in report.suspicious_labels
        if s["file"] not in judged
    ]


def twin_items(report: Report, mends: Located) -> list[Item]:
    """Duplicates, group by group, where more than one is still in."""
    gone = {mend.file for mend in mends.mends if mend.action == DROP}
    items: list[Item] = []
    for number, group in enumerate(report.duplicates, start=1):
        left = [file for file in group.files if file not in gone]
        shown = left if len(left) > 1 else []
        items += [Item(mends.root / file, printable(file), f"{number}: {printable(file)}") for file in shown]
    return items


def odd_items(report: Report, mends: Located) -> list[Item]:
    """Odd and tiny pictures that are still in."""
    judged = {mend.file for mend in mends.mends}
    files = {finding["file"]: finding["reason"] for finding in (*report.odd, *report.tiny)}
    left = [file for file in files if file not in judged]
    return [Item(mends.root / file, printable(file), printable(Path(file).name)) for file in left]


def is_uneven(report: Report) -> bool:
    """Whether some class has so many more photos than another that training should weigh them."""
    totals = [sum(splits.values()) for splits in report.classes.values()]
    return max(totals) >= UNEVEN * max(1, min(totals))


def undo_button(chosen: Chosen) -> gr.Button:
    """The way back, where something was corrected; also from corrections that cannot be read."""
    try:
        own = chosen.located()
    except EngineError:
        return gr.Button("Undo all corrections", visible=chosen.mends_file.is_file())
    number = f" ({plural(len(own.mends), 'photo')})" if own.mends else ""
    return gr.Button(f"Undo all corrections{number}", visible=bool(own.mends) or own.layout != AUTO)


def report_html(report: Report, mends: Located, stale: bool = False) -> str:
    """Classes by split, the sentences, and the files left out, tiny, odd or converted by name."""
    advice = "".join(f"<li>{text(sentence, 400)}</li>" for sentence in report.advice)
    old = "<p><b>The data set has changed since: check it again.</b></p>" if stale else ""
    mended = (
        f"<p>{plural(len(mends.mends), 'photo')} corrected; check again to see what is left.</p>" if mends.mends else ""
    )
    kinds = ("left_out", "tiny", "odd", "converted")
    named = [(kind.replace("_", " ").capitalize(), getattr(report, kind)) for kind in kinds]
    found = "".join(findings_html(title, findings) for title, findings in named if findings)
    return f'<div class="tl-data">{old}{counts_table(report.classes)}<ul>{advice}</ul>{mended}{found}</div>'

"""A report as HTML: parts for the page, and one file that needs nothing else. Whatever has a name is text."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tl_engine.base.names import printable
from tl_engine.base.words import percent, plural
from tl_engine.evaluation.charts import learning_svg, reliability_svg
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.evaluation.sentences import headline
from tl_engine.runs.run import Run
from tl_engine.runs.titles import title_of

MOST_COLUMNS = 20  # classes of a matrix that people can read; beyond that the pairs alone are told
MOST_SHOWN = 36  # photos in the file
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#18181b;"
    "background:#fff}table{border-collapse:collapse}td,th{padding:.25rem .6rem;border:1px solid #d4d4d8;"
    "text-align:right}th[scope=row],thead th{text-align:left}.tl-photos{display:flex;flex-wrap:wrap;gap:.75rem;"
    "padding:0;list-style:none}.tl-photos li{width:9rem;font-size:.85rem}.tl-photos img{width:9rem;height:9rem;"
    "object-fit:cover}svg{max-width:30rem;width:100%}.tl-wide{overflow-x:auto}"
    "@media(prefers-color-scheme:dark){body{background:#18181b;color:#f4f4f5}}"
)


def said(value: object, most: int = 60) -> str:
    """A name from outside as HTML text."""
    plain = printable(str(value))
    return html.escape(plain if len(plain) <= most else plain[: most - 1] + "…")


def sentences_html(report: Mapping[str, Any]) -> str:
    """What the figures mean."""
    return "<ul>" + "".join(f"<li>{said(sentence, 400)}</li>" for sentence in report["sentences"]) + "</ul>"


def classes_html(report: Mapping[str, Any]) -> str:
    """Precision, recall, F1 and support of each class."""
    rows = "".join(
        f'<tr><th scope="row">{said(row["class"])}</th>'
        + "".join(f"<td>{_share(row[name])}</td>" for name in ("precision", "recall", "f1"))
        + f"<td>{row['support']:,}</td></tr>"
        for row in report["per_class"]
    )
    return (
        '<div class="tl-wide" tabindex="0" role="region" aria-label="figures by class"><table id="report-classes">'
        '<thead><tr><th scope="col">class</th><th scope="col" title="of those called so, how many are">precision</th>'
        '<th scope="col" title="of those that are, how many were found">recall</th><th scope="col">F1</th>'
        f'<th scope="col">photos</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def confusion_html(report: Mapping[str, Any], *, buttons: bool = False) -> str:
    """Photos by true and predicted class, a cell a button where it opens; with many classes the worst pairs."""
    classes = report["classes"]
    if len(classes) > MOST_COLUMNS:
        return _pairs_html(report, buttons)
    head = "".join(f'<th scope="col">{said(name, 24)}</th>' for name in classes)
    rows = []
    for row, name in enumerate(classes):
        total = max(1, sum(report["confusion"][row]))
        cells = "".join(
            _cell(count, count / total, row, column, report, buttons)
            for column, count in enumerate(report["confusion"][row])
        )
        rows.append(f'<tr><th scope="row">{said(name, 24)}</th>{cells}</tr>')
    return (
        '<div class="tl-wide" tabindex="0" role="region" aria-label="confusion"><table id="report-confusion"><caption>'
        "Rows are what a photo shows, columns what it was taken for</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(count: int, share: float, row: int, column: int, report: Mapping[str, Any], buttons: bool) -> str:
    if not count:
        return "<td>0</td>"
    classes = report["classes"]
    shown = f"{count:,}"
    if buttons:
        words = f"{plural(count, 'photo')} of {said(classes[row])} taken for {said(classes[column])}: show"
        shown = _button(f"{row},{column}", shown, f' aria-label="{words}"')
    colour = "13 148 136" if row == column else "190 18 60"
    mark = "" if row == column else ' class="tl-wrong"'
    return f'<td{mark} style="background:rgb({colour}/{0.08 + 0.4 * share:.2f})">{shown}</td>'


def _pairs_html(report: Mapping[str, Any], buttons: bool) -> str:
    place = {name: index for index, name in enumerate(report["classes"])}
    rows = []
    for pair in report["pairs"][:100]:
        where = f"{place[pair['true']]},{place[pair['predicted']]}"
        number = f"{pair['photos']} of {pair['of']}"
        shown = _button(where, number) if buttons else number
        rows.append(f"<tr><td>{said(pair['true'])}</td><td>{said(pair['predicted'])}</td><td>{shown}</td></tr>")
    return (
        '<div class="tl-wide"><table id="report-confusion"><thead><tr><th scope="col">shows</th>'
        '<th scope="col">taken for</th><th scope="col">photos</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _button(cell: str, shown: str, more: str = "") -> str:
    return f'<button type="button" class="tl-cell" data-cell="{cell}"{more}>{shown}</button>'


def charts_html(report: Mapping[str, Any]) -> str:
    """Reliability and learning curve, or why they are not there."""
    parts = []
    if report["reliability"]:
        parts.append(f"<h3>How sure, and how often right</h3>{_saved(reliability_svg(report['reliability']), 'sure')}")
        parts.append("<p>On the dashed line it would be right as often as it is sure; bars are 95 % intervals.</p>")
    if report["learning_curve"]:
        drawn = learning_svg(report["learning_curve"]["points"])
        parts.append(f"<h3>What more photos brought</h3>{_saved(drawn, 'photos')}")
        parts.append("<p>The band shows by how much another draw of as many photos changes it.</p>")
    parts += [f"<p>{said(entry['reason'], 300)}</p>" for entry in report["missing"]]
    return "".join(parts)


def _saved(svg: str, name: str) -> str:
    """A chart with a link that saves it as a file."""
    address = base64.b64encode(svg.replace("currentColor", "#52525b").encode()).decode()
    link = f'<a download="{name}.svg" href="data:image/svg+xml;base64,{address}">Save as SVG</a>'
    return f'{svg}<p class="tl-save">{link}</p>'


def photos_html(entries: Iterable[Mapping[str, Any]], photos: RunPhotos) -> str:
    """Judged photos with what they show and what they were taken for."""
    items = []
    for entry in entries:
        picture, why = inline(photos.small(entry["file"])), inline(photos.why(entry["file"]))
        right = entry["true"] == entry["predicted"]
        words = f"{said(entry['true'])}, " + ("recognised" if right else f"taken for {said(entry['predicted'])}")
        mark = "✓" if right else "✕"
        shown = f'<img alt="" src="{picture}">' if picture else '<span class="tl-gone">no small copy</span>'
        if why:
            shown += f'<img alt="what spoke for {said(entry["predicted"])}, in bright colours" src="{why}">'
        items.append(f"<li>{shown}<br>{mark} {words}, {percent(entry['probability'])}</li>")
    return f'<ul class="tl-photos">{"".join(items)}</ul>' if items else "<p>None.</p>"


def whole_page(run: Run, report: Mapping[str, Any], photos: RunPhotos) -> str:
    """The report as one file, with no script and nothing from elsewhere."""
    title = said(title_of(run), 120)
    facts, number = run.facts, plural(len(report["classes"]), "class", "classes")
    body = [
        f"<h1>{title}: {headline(report)}</h1>",
        f"<p>{said(facts.architecture)}, {said(facts.strategy)}, {number}.</p>",
        sentences_html(report),
        f"<h2>By class</h2>{classes_html(report)}",
        f"<h2>What it confuses</h2>{confusion_html(report)}",
        f"<h2>Worst mistakes</h2>{photos_html(report['mistakes'][:MOST_SHOWN], photos)}",
        f"<h2>Some of the photos</h2>{photos_html(report['gallery'], photos)}",
        charts_html(report),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def inline(path: Path | None) -> str:
    """A small JPEG as an address that holds it."""
    try:
        return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" if path else ""
    except OSError:
        return ""


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def csv_rows(report: Mapping[str, Any]) -> Sequence[Sequence[object]]:
    """The figures by class, and the confusion beside them, as rows of a table."""
    head = ["class", "precision", "recall", "f1", "photos", *(f"taken for {name}" for name in report["classes"])]
    rows = [
        [row["class"], row["precision"], row["recall"], row["f1"], row["support"], *counts]
        for row, counts in zip(report["per_class"], report["confusion"], strict=True)
    ]
    return [head, *rows]

"""The card tells what the run knows, nothing private, and whatever a person typed in it is text."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.hub.conftest import Trained
from tl_engine.base.errors import HubError
from tl_engine.base.settings import PROJECT
from tl_engine.evaluation.report import read_report
from tl_engine.hub.card import model_card
from tl_engine.hub.card_words import JOINER, md, table
from tl_engine.runs.run import Run

NASTY = (
    "<b>x</b> | [a](http://x)",
    "`tick`, comma",
    "two\nlines",
    "--- front",
    "- item",
    "1. first",
    "1) first",
    "# head",
    "![i](javascript:alert(1))",
    "<script>alert(1)</script>",
    "&lt;b&gt;",
    "a\\|b\\",
    "www.example.com me@example.com",
    "https://example.com",
    "***bold*** __x__ ~~y~~ $z$ {{ card }}",
    "key: value",
    "...",
    "~~~",
    "<!-- hidden -->",
    "[x]: http://y",
    "_a_ __b__ a_b _c",
    ":smile: a: b",
    "2. ",
    "===",
    "a? 100 % / b; c!",
)


class Seen(HTMLParser):
    """The tags of a page, and the text of its table cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, _attrs: Any) -> None:
        self.tags.add(tag)
        if tag == "td":
            self.inside, self.cells = True, [*self.cells, ""]

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def rendered(markdown: str) -> Seen:
    seen = Seen()
    seen.feed(MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(markdown))
    return seen


def parts(card: str) -> tuple[dict[str, Any], str]:
    """The YAML in front, and the Markdown."""
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_front_matter_says_what_the_hub_reads(trained: Trained) -> None:
    front, _ = parts(model_card(trained.run, repo="me/temples"))
    report = read_report(trained.run)
    assert report is not None
    assert (front["license"], front["library_name"], front["pipeline_tag"]) == (
        "apache-2.0",
        "timm",
        "image-classification",
    )
    assert front["base_model"] == "timm/tf_efficientnet_lite0.in1k"
    assert {"image-classification", "transfer-learning"} <= set(front["tags"])
    assert front["metrics"] == ["accuracy"]
    (index,) = front["model-index"]
    assert index["name"] == "temples"
    (result,) = index["results"]
    assert result["metrics"][0] == {"type": "accuracy", "value": report["accuracy"], "name": "accuracy"}
    assert result["dataset"]["split"] == "val"


def test_the_card_tells_what_the_report_knows(trained: Trained) -> None:
    verified = {"onnx": {"photos": 28, "same_class": 28, "largest_difference": 1.5e-6}}
    _, body = parts(model_card(trained.run, repo="me/temples", verified=verified))
    report = read_report(trained.run)
    assert report is not None
    assert body.startswith("\n# A classifier of flower and temple\n")
    assert "| flower | 10 | 4 |" in body
    assert "| temple | 10 | 4 |" in body
    assert f"{report['right']} of 8 photos" in body
    assert "photos held out from training (validation)" in body
    assert f"temperature {report['temperature']:.3f}" in body
    assert "| onnx | 28 | 28 | 2e-06 |" in body
    assert "Only 8 photos judged it" in body
    assert "hub:me/temples" in body
    assert 'timm.create_model("hf-hub:me/temples", pretrained=True)' in body
    for heading in ("Photos", "How good it is", "What it does not know", "How it was trained", "Licence"):
        assert f"\n## {heading}\n" in body


def test_nothing_private_is_in_it(trained: Trained) -> None:
    for repo in (None, "me/temples"):
        card = model_card(trained.run, repo=repo)
        for word in ("private", "secret", ".jpg", str(trained.photos.parent), str(PROJECT)):
            assert word not in card.replace("photo.jpg", ""), word


def test_a_bundle_is_told_its_own_program(trained: Trained) -> None:
    front, body = parts(model_card(trained.run))
    assert front["library_name"] == "tl_engine"
    assert "python predict.py photo.jpg" in body
    assert "hf-hub:" not in body


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_text_wherever_it_stands(name: str) -> None:
    plain = " ".join(name.split())
    for markdown in (f"It says {md(name)}.", f"- {md(name)}", f"# {md(name)}", f"{md(name)} it says", md(name)):
        seen = rendered(markdown)
        assert seen.tags <= {"p", "ul", "li", "h1"}, markdown
    seen = rendered(table(["class", "photos"], [[md(name), 3], ["next", 4]]))
    assert seen.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert [cell.replace(JOINER, "") for cell in seen.cells] == [plain, "3", "next", "4"]
    for start in ("https://", "http://", "www.", "me@"):  # what some renderers make a link of, unmarked
        assert start not in "".join(seen.cells)


def test_ordinary_names_stay_readable_as_they_are() -> None:
    for name in (
        "ants",
        "St Bernard",
        "two-toed sloth",
        "crane (bird)",
        "Übergang ✓",
        "猫",
        "boy's, girl's",
        "snake_case",
        "v1.2",
        "50 % off",
    ):
        assert md(name) == name


def test_nasty_classes_and_settings_are_text_in_a_whole_card(trained: Trained, tmp_path: Path) -> None:
    run = trained.copied(tmp_path)
    nasty = "<img src=x> | [a](http://x) `t`"
    for path in (run.best / "meta.json", run.report / "report.json", run.folder / "events.jsonl"):
        text = path.read_text().replace('"temple"', json.dumps(nasty)).replace("pip package", nasty)
        path.write_text(text.replace("the classes temple", nasty))
    card = model_card(run, repo="me/temples")
    front, body = parts(card)
    assert nasty not in card
    assert "img" not in rendered(body).tags
    assert "a" not in rendered(body).tags
    assert nasty.replace("//", JOINER + "//") in rendered(body).cells
    assert "<img" not in json.dumps(front)


def test_without_a_report_it_says_so(trained: Trained, tmp_path: Path) -> None:
    run = trained.copied(tmp_path)
    shutil.rmtree(run.report)
    front, body = parts(model_card(run))
    assert "There is no report of this classifier." in body
    assert front["model-index"][0]["results"][0]["metrics"][0]["type"] == "accuracy"
    assert "reference.safetensors" not in body


@pytest.mark.parametrize("name", ["cats-or-dogs", "ants-or-bees"])
def test_those_that_ship_have_cards_too(name: str, trained: Trained) -> None:
    front, body = parts(model_card(Run(trained.settings.demo / name)))
    assert "There is no report" in body
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] > 0.9
    assert name.split("-")[0] in body


def test_weights_of_a_host_are_not_taken_for_the_hubs(trained: Trained, tmp_path: Path) -> None:
    run = trained.copied(tmp_path)
    meta = json.loads((run.best / "meta.json").read_text())
    meta["backbone"]["weights"] = "efficientnet_lite0.pth"
    (run.best / "meta.json").write_text(json.dumps(meta))
    assert "base_model" not in parts(model_card(run))[0]


def test_a_folder_without_a_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"^empty holds no classifier: .*\.$"):
        model_card(Run(tmp_path / "empty"))

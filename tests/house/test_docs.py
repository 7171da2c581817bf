"""The documents say what the code does: docs/formats.md every field of every file, docs/settings.md every setting."""

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import app
from tests.house import settings_page
from tests.house.test_layout import FLOORS, HEAVY, PROJECT
from tl_engine.base.events import KINDS
from tl_engine.base.progress import watched
from tl_engine.base.settings import VERSION, Settings
from tl_engine.data import hashes, manifest
from tl_engine.data.mends import RELABEL, Located, Mend
from tl_engine.data.scan import scan
from tl_engine.hub import classifiers
from tl_engine.inspection import findings, report
from tl_engine.networks import feature_cache
from tl_engine.networks.preprocessing import Preprocess
from tl_engine.photos import look
from tl_engine.runs import meta, queue
from tl_engine.runs.config import SETTINGS, TrainConfig
from tl_engine.training import resume
from tl_engine.vitals import forecast
from tl_engine.zips.left_out import write_left_out

FORMATS_PAGE = PROJECT / "docs" / "formats.md"
NAMED = re.compile(r"`([^`]+)`")
Tables = dict[str, list[list[str]]]  # heading -> rows -> cells


def tables(page: Path) -> Tables:
    """The rows below each heading, without the tables' own heads."""
    found: Tables = {}
    heading = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").replace("`", "")
        elif line.startswith("| ") and not line.startswith(("| field ", "| kind ", "| file |", "| folder ")):
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


PAGE = tables(FORMATS_PAGE)


def documented(heading: str) -> list[str]:
    """The names that the first cells below a heading give."""
    return [name for row in PAGE[heading] for name in NAMED.findall(row[0])]


def fields(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Each json object of the page, as the program really writes it, by its heading."""
    place = tmp_path_factory.mktemp("written")
    settings = Settings(runs=place / "runs", cache=place / "cache")
    run = queue.create(TrainConfig(data="digits"), settings, "mine", process=os.getpid())
    data = scan(photos(place / "photos"), settings.limits)
    watched(manifest.read_manifest(data.root, settings), lambda _event: None)
    manifest.write_listing(run.folder / "manifest.json", data, hashes.content_hashes(data, settings))
    saved_meta().write(place, {})
    Located(root=data.root, mends=(Mend(file="a/1.png", action=RELABEL, name="b"),)).write(place / "mends.json")
    write_left_out(place, [("a/2.png", "It is cut short.")])
    config, listing, kept = (
        read(run.folder / "config.json"),
        read(run.folder / "manifest.json"),
        read(place / "meta.json"),
    )
    entries, mends = read(*settings.cache.glob("manifests/*")), read(place / "mends.json")
    return {
        "config.json": {name: value for name, value in config.items() if name not in SETTINGS},
        "process.json": read(run.folder / "process.json"),
        "manifest.json": listing,
        "manifest.json: a photo": listing["photos"][0],
        "best/meta.json": kept,
        **{f"best/meta.json: {part}": kept[part] for part in ("backbone", "figures", "preprocessing")},
        ".left-out.json: one of a list": read(place / ".left-out.json")[0],
        "Mends": mends,
        "Mends: a mend": mends["mends"][0],
        "cache/manifests": entries,
        "cache/manifests: an entry": entries["entries"][0],
        "cache/manifests: a look": entries["entries"][0]["look"],
        "cache/hashes": read(*settings.cache.glob("hashes/*")),
    }


def photos(folder: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def saved_meta() -> meta.Meta:
    return meta.Meta(
        architecture="resnet18",
        backbone=meta.BackboneMeta(weights="a file", hash=None),
        learned=meta.Learned.HEAD,
        classes=("a", "b"),
        preprocessing=Preprocess(resize=32, crop=32).to_dict(),
        figures=meta.Figures(epoch=1, val_accuracy=1, val_loss=0),
    )


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


WRITTEN = [heading for heading in PAGE if "json" in heading or heading.startswith(("Mends", "cache/"))]
BY_TYPE = {
    "cache/features": ["format", "keys", "sha256"],
    "cache/reports": ["format", "report"],
    "cache/reports: a report": fields(findings.Report),
    "cache/reports: duplicates": fields(findings.Duplicates),
    "cache/hub/USER--NAME/known.json": fields(classifiers.Known),  # by revision
    ".hub.json": ["names"],
    "job.json": ["repository", "job"],
    "died.json": ["pid", "status", "memory"],
    "cache/durations.json": ["format", "kinds"],
    "cache/durations.json: one of a list": fields(forecast.Took),
}  # what takes a network, a death or a whole training to write


@pytest.mark.parametrize("heading", [h for h in WRITTEN if h not in BY_TYPE and h != "events.jsonl"])
def test_every_field_of_a_file_is_documented_and_nothing_else(heading: str, written: dict[str, dict[str, Any]]) -> None:
    assert sorted(documented(heading)) == sorted(written[heading])


@pytest.mark.parametrize("heading", BY_TYPE)
def test_every_field_of_a_cached_result_is_documented(heading: str) -> None:
    assert sorted(documented(heading)) == sorted(BY_TYPE[heading])


def test_no_file_is_missing_from_the_page(written: dict[str, dict[str, Any]]) -> None:
    assert {*written, *BY_TYPE, "events.jsonl"} == set(WRITTEN)


def test_every_event_and_its_fields_are_documented() -> None:
    told = {NAMED.findall(row[0])[0]: NAMED.findall(row[1]) for row in PAGE["events.jsonl"]}
    assert told == {kind: [name for name in fields(event) if name != "at"] for kind, event in KINDS.items()}


def test_format_numbers_are_those_of_the_code() -> None:
    numbers = [int(row[1]) for row in PAGE["Files"]]
    ours = [meta.FORMAT, manifest.FORMAT, manifest.FORMAT, manifest.FORMAT, look.FORMAT, hashes.FORMAT]
    assert numbers == [*ours, int(feature_cache.FORMAT), report.FORMAT, int(resume.FORMAT)]


def test_every_field_of_a_checkpoint_is_documented() -> None:
    assert documented("checkpoint/state.safetensors")[: len(resume.FIELDS)] == list(resume.FIELDS)


def test_the_page_of_settings_is_as_the_code_would_write_it() -> None:
    """`python -m tests.house.settings_page` writes it anew."""
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.written()


@pytest.mark.parametrize("name", settings_page.commands())
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    parser = settings_page.commands()[name]
    assert parser.description
    assert [action.dest for action in settings_page.options_of(parser) if not action.help] == []


def test_every_switch_of_the_page_says_what_it_does() -> None:
    assert [action.dest for action in settings_page.options_of(app.make_parser()) if not action.help] == []


def test_every_variable_of_ours_is_documented() -> None:
    sources = [PROJECT / "app.py", *(PROJECT / "tl_engine").rglob("*.py"), *(PROJECT / "ui").rglob("*.py")]
    named = {name for path in sources for name in re.findall(r"\"(TL_[A-Z_]+)\"", path.read_text(encoding="utf-8"))}
    assert named == {name for name in settings_page.VARIABLES if name.startswith("TL_")}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/decisions.md"])
def test_what_a_page_points_to_is_there(page: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", (PROJECT / page).read_text(encoding="utf-8"))
    assert [target for target in targets if not (PROJECT / page).parent.joinpath(target).exists()] == []


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/decisions.md", "docs/figures.md", "docs/formats.md"]
)
def test_files_of_ours_that_a_page_names_are_there(page: str) -> None:
    """A page may leave out the package's own folder: `data/mends.py`."""
    named = re.findall(r"`((?:\w+/)+\w+\.py|scripts/\w+)\b", (PROJECT / page).read_text(encoding="utf-8"))
    roots = (PROJECT, PROJECT / "tl_engine", PROJECT / "ui")
    assert [name for name in named if not any((root / name).is_file() for root in roots)] == []


def test_code_cites_no_page_that_its_reader_does_not_have() -> None:
    cited = {
        (path.name, page)
        for folder in ("tl_engine", "ui", "benchmarks", "examples", "scripts")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in ("", ".py") and path.is_file()
        for page in re.findall(r"[\w/]+\.md\b", path.read_text(encoding="utf-8"))
    }
    assert [cite for cite in cited if not (PROJECT / cite[1]).is_file()] == []


def test_contributing_draws_the_floors_as_they_are() -> None:
    rows = tables(PROJECT / "CONTRIBUTING.md")["The house"][1:]
    drawn = {row[1].strip("`").removesuffix(".py").replace("/", "."): (int(row[0]), row[3]) for row in rows}
    assert drawn == {name: (floor, "yes" if name in HEAVY else "no") for name, floor in FLOORS.items()}


def test_ci_finds_the_test_command_in_the_readme() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^<!-- test command -->\n```bash\n(.+)\n```$", readme, re.MULTILINE)
    assert [command.split(" && ")[-1] for command in found] == [".venv/bin/python -m pytest -n 2"]


def test_versions_agree() -> None:
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^version = \"(.+)\"", project, re.MULTILINE) == [VERSION]
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == VERSION


def test_the_readme_names_every_part_of_a_report() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert [name for name in fields(findings.Report) if f"`{name}`" not in readme] == []

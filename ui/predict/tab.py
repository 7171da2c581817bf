"""The Predict tab: a picture in, the probabilities of its classes out, and the picture as the network sees it."""

import csv
import importlib.util
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from PIL import Image

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import harmless
from tl_engine.runs.find import IMAGENET, classifier_of, shipped
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.scratch import new_folder
from tl_engine.workspaces.workspace import owner_of, visible_runs
from ui.parts.components import open_dropdown, photo_input
from ui.parts.refusal import in_words, refused
from ui.parts.run_label import label
from ui.parts.wording import IMAGENET_LABEL, QUIET, SHIPPED_LABELS

HOST = "The host's"


TOP = 5
PARALLEL = 8  # predictions at once; training never waits in this queue, nor they for it
MOST_FILES = 200
COLUMNS = ["file", "class", "probability", "note"]


@dataclass(frozen=True, slots=True)
class PredictTab:
    """The parts that other tabs and the page need."""

    tab: gr.Tab
    classifier: gr.Dropdown


def example_pictures() -> list[str]:
    """Photos that installed packages bring along; those that are not there are left out."""
    media = Path(gr.__file__).parent / "media_assets" / "images"
    sklearn = importlib.util.find_spec("sklearn")  # found, not imported: that takes a second
    photos = Path(sklearn.origin).parent / "datasets" / "images" if sklearn and sklearn.origin else media
    wanted = [media / "lion.jpg", media / "cheetah1.jpg", photos / "china.jpg", photos / "flower.jpg"]
    return [str(path) for path in wanted if path.is_file()]


def predict_one(
    pool: ClassifierPool, file: str | None, name: str
) -> tuple[dict[str, float] | None, Image.Image | None]:
    """Class probabilities of one picture, and the picture as the network sees it."""
    if not file:
        return None, None
    try:
        shared = pool.get(name)
        picture = shared.predictor.open(Path(file))
        return shared.probabilities(picture), shared.predictor.preprocess.view(picture)
    except EngineError as error:
        raise refused(error) from None


def predict_many(
    pool: ClassifierPool, files: list[str] | None, name: str, progress: gr.Progress | None = None
) -> tuple[pd.DataFrame, Any]:
    """A row for each picture: its likeliest class, or the sentence why there is none; and the table as a file."""
    rows: list[dict[str, Any]] = []
    try:
        shared = pool.get(name)
    except EngineError as error:
        raise refused(error) from None
    chosen = (files or [])[:MOST_FILES]
    for index, file in enumerate(chosen):
        path = Path(file)
        if progress:
            progress((index, len(chosen)), desc="Looking at photos")
        try:
            likeliest, probability = next(iter(shared.probabilities(shared.predictor.open(path)).items()))
            rows.append({"file": path.name, "class": likeliest, "probability": round(probability, 4), "note": ""})
        except EngineError as error:
            rows.append({"file": path.name, "class": "", "probability": None, "note": str(error)})
    if len(files or []) > MOST_FILES:
        note = f"only the first {MOST_FILES} are looked at in one go"
        rows.append({"file": f"{len(files or []) - MOST_FILES} more", "class": "", "probability": None, "note": note})
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table, gr.DownloadButton(value=write_csv(table), visible=True) if rows else gr.DownloadButton(visible=False)


def write_csv(table: pd.DataFrame) -> str:
    """The table as a CSV file that spreadsheets read as it is: no cell a formula, a mark in front for Excel."""
    folder = new_folder("csv", secrets.token_hex(8))
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        for row in table.itertuples(index=False):
            writer.writerow([harmless(cell) for cell in row])
    return str(folder / "predictions.csv")


def build_predict_tab(settings: Settings, pool: ClassifierPool, workspace: gr.BrowserState) -> PredictTab:
    """Lay out the tab and connect it."""
    with gr.Tab("Predict", id="predict") as tab:
        classifier = open_dropdown(
            [(IMAGENET_LABEL, "imagenet")],
            value="imagenet",
            label="Classifier",
            info="What comes with the program, your finished trainings, and the host's.",
            elem_id="classifier",
        )
        with gr.Row():
            with gr.Column(min_width=300):
                picture = photo_input(
                    sources=["upload", "webcam", "clipboard"],
                    label="Photo",
                    placeholder="Drop, paste or choose a photo,\nor use the camera",
                    height=320,
                    elem_id="photo",
                    buttons=[],
                )
                gr.Examples(example_pictures(), picture, label="Or try one of these", examples_per_page=8)
            with gr.Column(min_width=300):
                answer = gr.Label(num_top_classes=TOP, label="Class probabilities", elem_id="answer")
                seen = gr.Image(
                    label="As the network sees it",
                    interactive=False,
                    height=224,
                    buttons=["fullscreen"],
                    elem_id="seen",
                    alt_text="The photo, resized and cropped to what the network takes in",
                )
        with gr.Accordion("Many photos at once", open=False, elem_id="many"):
            files = gr.File(file_count="multiple", label="Photos", height=160, elem_id="files")
            table = gr.Dataframe(
                headers=COLUMNS,
                datatype=["str", "str", "number", "str"],
                column_widths=["25%", "20%", "15%", "40%"],
                interactive=False,
                wrap=True,
                label="Answers",
            )
            download = gr.DownloadButton("Download as CSV", visible=False)
    _connect(settings, pool, workspace, tab, classifier, picture, (answer, seen), files, (table, download))
    return PredictTab(tab, classifier)


def _connect(
    settings: Settings,
    pool: ClassifierPool,
    workspace: gr.BrowserState,
    tab: gr.Tab,
    classifier: gr.Dropdown,
    picture: gr.Image,
    one: tuple[Any, Any],
    files: gr.File,
    many: tuple[Any, Any],
) -> None:
    limits: dict[str, Any] = {"concurrency_limit": PARALLEL, "concurrency_id": "predict", "api_visibility": "private"}
    one_picture: Callable[..., Any] = lambda file, name: predict_one(pool, file, name)  # noqa: E731
    gr.on([picture.change, classifier.change], one_picture, [picture, classifier], list(one), **limits)

    def many_pictures(chosen: list[str] | None, name: str, progress: Any = gr.Progress()) -> tuple[Any, Any]:  # noqa: B008
        return predict_many(pool, chosen, name, progress)

    gr.on([files.upload, classifier.change], many_pictures, [files, classifier], list(many), **limits)

    @in_words
    def refresh(owner: str, current: str) -> Any:
        listed = choices(settings, owner_of(owner))
        names = [name for _, name in listed]
        return gr.Dropdown(choices=listed if current in names else [*listed, ("The run of your link", current)])

    tab.select(refresh, [workspace, classifier], classifier, **QUIET)


def choices(settings: Settings, workspace: str, token: str = "") -> list[tuple[str, str]]:
    """(label, name) of all a visitor may predict with; `token` is a run opened by its link."""
    listed = [(IMAGENET_LABEL, IMAGENET)]
    listed += [(SHIPPED_LABELS.get(name, name), name) for name in shipped(settings)]
    for run in visible_runs(settings, workspace):
        if classifier_of(run):
            own = run.facts.workspace == workspace
            listed.append((f"{'Yours' if own else HOST}, {label(run)}", run.name))
    if token and token not in [name for _, name in listed]:
        listed.append(("The run of your link", token))
    return listed

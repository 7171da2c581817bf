"""The Predict tab: a picture in, the probabilities of its classes out, and the picture as the network sees it."""

import csv
import importlib.util
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import pandas as pd
from PIL import Image

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import harmless
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.scratch import new_folder
from tl_engine.workspaces.workspace import Workspace
from ui.gate.lanes import PHOTO, TABLES
from ui.parts.acting import act, answer_html, answering, log_refusal, said_line
from ui.parts.components import Updates, photo_input, photos_button
from ui.parts.refusal import in_words, page_words
from ui.parts.wording import QUIET, text
from ui.predict.classifiers import choices, linked_run, ready_made, run_title
from ui.predict.from_hub import FromHub
from ui.predict.own_photos import OwnPhotos
from ui.predict.verdict import NOTES, verdict_html
from ui.predict.why import WhyView

if TYPE_CHECKING:
    from tl_engine.classifiers.answers import Answer

TOP = 5
KEPT = 0.98  # of photos like those it was shown that are to be accepted as such
KEPT_WORDS = "Fewer: more strangers are told, and more photos of its own kind are taken for strangers."
MOST_FILES = 200
MOST_ASKED = 20  # classes offered to be explained
COLUMNS = ["file", "class", "probability", "note"]


def example_pictures() -> list[str]:
    """Photos that installed packages bring along; those that are not there are left out."""
    media = Path(gr.__file__).parent / "media_assets" / "images"
    sklearn = importlib.util.find_spec("sklearn")  # found, not imported: that takes a second
    photos = Path(sklearn.origin).parent / "datasets" / "images" if sklearn and sklearn.origin else media
    wanted = [media / "lion.jpg", media / "cheetah1.jpg", photos / "china.jpg", photos / "flower.jpg"]
    return [str(path) for path in wanted if path.is_file()]


def predict_one(pool: ClassifierPool, file: str, name: str, kept: float) -> tuple["Answer", Image.Image]:
    """What is said of one picture, and the picture as the network sees it. Raises EngineError."""
    return pool.get(name).ask(Path(file), kept)


def predict_many(
    pool: ClassifierPool, files: Sequence[str], name: str, progress: gr.Progress | None = None
) -> pd.DataFrame:
    """A row for each picture: its likeliest class, or the sentence why there is none. Raises EngineError."""
    shared = pool.get(name)
    rows: list[dict[str, Any]] = []
    looked_at = files[:MOST_FILES]
    for index, file in enumerate(looked_at):
        path = Path(file)
        if progress:
            progress((index, len(looked_at)), desc="Looking at photos")
        try:
            said = shared.ask_of_many(path)
            likeliest, probability = next(iter(said.probabilities.items()))
            rows.append({"file": path.name, "class": likeliest, "probability": round(probability, 4),
                         "note": NOTES[said.verdict]})  # fmt: skip
        except EngineError as error:
            rows.append({"file": path.name, "class": "", "probability": None, "note": str(error)})
    if more := len(files) - len(looked_at):
        note = f"only the first {MOST_FILES} are looked at in one go"
        rows.append({"file": f"{more} more", "class": "", "probability": None, "note": note})
    return pd.DataFrame(rows, columns=COLUMNS)


def write_csv(table: pd.DataFrame) -> str:
    """The table as a CSV file that spreadsheets read as it is: no cell a formula, a mark in front for Excel."""
    folder = new_folder("csv", secrets.token_hex(8))
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        for row in table.itertuples(index=False):
            writer.writerow([harmless(cell) for cell in row])
    return str(folder / "predictions.csv")


class PredictTab:
    """Lays out the tab, whose list of classifiers is that of the whole page; `connect` wires it."""

    def __init__(self, settings: Settings, pool: ClassifierPool, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.pool = pool
        self.workspace = workspace
        with gr.Tab("Predict", id="predict") as self.tab:
            with gr.Row(visible=False, elem_classes="tl-named", elem_id="from-link") as self.linked:
                self.title = gr.HTML("", padding=False)
                self.own = gr.Button("Make your own", elem_id="make-own", min_width=140, scale=0)
            self.from_hub = FromHub(settings, pool, workspace)
            self.classifier = self.from_hub.classifier
            with gr.Row():
                with gr.Column(min_width=280):
                    self._photo_side()
                with gr.Column(min_width=280):
                    self._answer_side()
            with gr.Accordion("How picky", open=False, elem_id="picky"):
                self.kept = gr.Slider(0.9, 1, value=KEPT, step=0.01, label="Share of its own kind of photos to accept",
                                      info=KEPT_WORDS, elem_id="kept")  # fmt: skip
            with gr.Column(elem_id="examples") as self.examples:
                gr.Examples(example_pictures(), self.photo, label="Or try one of these", examples_per_page=8)
            self.own_photos = OwnPhotos(settings, workspace)
            with gr.Accordion("Many photos at once", open=False, elem_id="many"):
                self._many()

    def _photo_side(self) -> None:
        with gr.Column(elem_classes="tl-with-camera"):
            sources = ["upload", "webcam", "clipboard"]
            self.photo = self._photo_field(sources, "Drop, paste or choose a photo,\nor use the camera")
        with gr.Column(elem_classes="tl-without-camera"):
            self.snapshot = photos_button(
                "Take or choose a photo", elem_id="predict-snapshot", elem_classes="tl-snapshot"
            )

    @staticmethod
    def _photo_field(sources: Any, placeholder: str) -> gr.Image:
        return photo_input(
            sources=sources, label="Photo", placeholder=placeholder, height=300, elem_id="photo", buttons=[]
        )

    def _answer_side(self) -> None:
        self.said = said_line("predict-said")
        self.verdict = gr.HTML("", elem_id="verdict", padding=False)
        self.answer = gr.Label(num_top_classes=TOP, label="Class probabilities", elem_id="answer", visible=False)
        self.why = WhyView(self.pool)
        self.seen = gr.Image(
            label="As the network sees it",
            format="jpeg",  # Gradio's webp takes 8 ms of the one loop that serves all
            interactive=False,
            visible=False,
            height=224,
            buttons=["fullscreen"],
            elem_id="seen",
            alt_text="The photo, resized and cropped to what the network takes in",
        )

    def _many(self) -> None:
        self.files = gr.File(file_count="multiple", label="Photos", height=160, elem_id="files")
        self.many_said = said_line("many-said")
        self.table = gr.Dataframe(
            headers=COLUMNS,
            datatype=["str", "str", "number", "str"],
            column_widths=["25%", "20%", "15%", "40%"],
            interactive=False,
            wrap=True,
            label="Answers",
            visible=False,
        )
        self.download = gr.DownloadButton("Download as CSV", visible=False)

    @property
    def shown(self) -> list[Any]:
        """What another classifier changes."""
        return [self.linked, self.title, self.examples, self.own_photos.gallery]

    def connect(self, tabs: gr.Tabs) -> None:
        """Wire photo, photos and the list of classifiers."""
        another = [self.classifier.change, self.from_hub.fetched.change]
        one = gr.on(
            [self.photo.change, self.kept.release, *another], answering(self.predict_photo, self.said),
            [self.photo, self.classifier, self.kept, self.workspace],
            [self.answer, self.seen, self.verdict, *self.why.shown, self.said],
            show_progress_on=self.answer, api_visibility="private", **PHOTO,
        )  # fmt: skip
        self.own_photos.connect(self.photo, self.classifier, self.said)
        self.why.connect(self.photo, self.classifier)
        one.then(None, self.photo, js="(photo) => { if (photo) window.tlShow('answer'); }")
        self.snapshot.upload(lambda files: files[0] if files else None, self.snapshot, self.photo, **QUIET)
        gr.on([self.files.upload, *another], answering(self.predict_files, self.many_said),
              [self.files, self.classifier], [self.table, self.download, self.many_said],
              show_progress_on=self.many_said, api_visibility="private", **TABLES)  # fmt: skip
        here = [self.workspace, self.classifier]
        self.from_hub.connect()
        self.tab.select(self.list_classifiers, here, self.classifier, **QUIET)
        self.classifier.change(self.show_classifier, here, self.shown, trigger_mode="always_last", **QUIET)
        act(self.own.click, lambda: {tabs: gr.Tabs(selected="photos")}, None, [tabs], self.said)

    def predict_photo(self, file: str | None, name: str, kept: float, workspace: str) -> Updates:
        """The answer for the photo that is there; none without one."""
        visitor = Workspace.of(self.settings, workspace)
        if not file or not self.pool.here(name):  # one from the hub may be on its way, and is asked when it is here
            return self._answered(None, None, name, visitor)
        try:
            return self._answered(*predict_one(self.pool, file, name, _share(kept)), name, visitor)
        except EngineError as error:  # the answer to another photo must not stay beside this one
            log_refusal(self.predict_photo, error)
            return {**self._answered(None, None, name, visitor), self.said: answer_html(page_words(error), alert=True)}

    def _answered(self, answer: "Answer | None", seen: Image.Image | None, name: str, visitor: Workspace) -> Updates:
        there = answer is not None
        return {
            self.answer: gr.Label(value=answer.probabilities if answer else None, visible=there),
            self.seen: gr.Image(value=seen, visible=there),
            self.verdict: verdict_html(answer, name, visitor) if answer else "",
            **self.why.offer(list(answer.probabilities)[:MOST_ASKED] if answer else []),
        }

    def predict_files(self, files: list[str] | None, name: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """The answers for many photos as a table, to be had as a file too."""
        asked = files if self.pool.here(name) else None
        table = predict_many(self.pool, asked, name, progress) if asked else pd.DataFrame(columns=COLUMNS)
        file = None if table.empty else write_csv(table)
        there = file is not None
        return {
            self.table: gr.Dataframe(value=table, visible=there),
            self.download: gr.DownloadButton(value=file, visible=there),
        }

    @in_words
    def list_classifiers(self, workspace: str, current: str) -> Any:
        """The classifiers of now; the one in use stays, a run opened by its link too."""
        return gr.Dropdown(choices=choices(Workspace.of(self.settings, workspace), current))

    @in_words
    def show_classifier(self, workspace: str, current: str) -> Updates:
        """Whose it is, where it came by a link; pictures to try, where any picture will do."""
        visitor = Workspace.of(self.settings, workspace)
        linked = linked_run(visitor, current)
        title = f"<h2>{text(run_title(linked), 120)}, from a link</h2>" if linked else ""
        return {
            self.linked: gr.Row(visible=linked is not None),
            self.title: title,
            self.examples: gr.Column(visible=ready_made(self.settings, current)),
            **self.own_photos.show(visitor, current),
        }


def _share(sent: Any) -> float:
    """The share that a browser sends, within its bounds."""
    return min(1.0, max(0.9, float(sent))) if isinstance(sent, int | float) else KEPT

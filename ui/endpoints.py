"""Small endpoints for programs: they predict, list classifiers, train, follow, stop and resume a run, and report on it.

Their inputs are hidden components, since Gradio checks files only where a component takes them.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from tl_engine.base.errors import EngineError, ImageError, RunError
from tl_engine.base.settings import Settings
from tl_engine.classroom import starting
from tl_engine.evaluation.report import read_report
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.find import IMAGENET, started_with
from tl_engine.runs.process import Spare
from tl_engine.runs.run import Run
from tl_engine.runs.titles import data_name
from tl_engine.visits import turns
from tl_engine.visits.turns import Asker
from tl_engine.workspaces import start
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace, open_run, stoppable
from ui.gate.lanes import API, API_READS, API_TABLES, HALT, START
from ui.gate.persons import asker_of
from ui.parts.components import photo_input, photos_button
from ui.parts.refusal import answered
from ui.parts.wording import UNSEEN
from ui.predict.classifiers import choices
from ui.predict.tab import MOST_FILES
from ui.train.run_view import EventReader
from ui.waking import WORKSPACE_LABEL

if TYPE_CHECKING:
    from tl_engine.classifiers.batching import BatchingPredictor

PROGRAM = Asker(program=True)  # that nobody knows
OF_PHOTOS = ("gallery", "mistakes", "photos_here")  # parts of a report that name photos


def predict(pool: ClassifierPool, image: str | None, classifier: str | None) -> dict[str, float]:
    """{class: probability} of all classes."""
    try:
        if not image:
            raise EngineError("image is missing: send a picture file.")
        shared = pool.get(classifier or IMAGENET)
        return shared.ask_of_many(Path(image)).probabilities  # a program lets people on the page go first
    except EngineError as error:
        raise answered(error) from None


def predict_many(pool: ClassifierPool, images: list[str], classifier: str | None) -> list[dict[str, Any]]:
    """Of each picture {"file", "probabilities", "verdict"}, or {"file", "error"}: the others go on."""
    try:
        if not images or len(images) > MOST_FILES:
            raise EngineError(f"images must be 1 to {MOST_FILES} picture files, got {len(images or [])}.")
        shared = pool.get(classifier or IMAGENET)
        return [_said(shared, Path(image)) for image in images]
    except EngineError as error:
        raise answered(error) from None


def _said(shared: "BatchingPredictor", path: Path) -> dict[str, Any]:
    try:
        answer = shared.ask_of_many(path)
    except ImageError as error:
        return {"file": path.name, "error": str(error)}
    return {"file": path.name, "probabilities": answer.probabilities, "verdict": answer.verdict}


def models(settings: Settings, workspace: str) -> list[dict[str, str]]:
    """[{"name", "title"}] of the classifiers that can be asked: those that ship, and a workspace's own."""
    visitor = Workspace.of(settings, workspace or None)
    return [{"name": name, "title": title} for title, name in choices(visitor)]


def report(settings: Settings, run: str, workspace: str) -> dict[str, Any]:
    """The report of a run as the terminal prints it; without its workspace no photo's name is in it."""
    try:
        found = open_run(run, settings)
        kept = read_report(found)
        if kept is None:
            raise RunError("This training has no report: wait until it has ended, or make one on its page.")
    except EngineError as error:
        raise answered(error) from None
    if Workspace.of(settings, workspace or None).may_list(found):
        return kept
    return {name: value for name, value in kept.items() if name not in OF_PHOTOS}


def start_training(
    settings: Settings, spare: Spare | None, config: Any, workspace: str = "", asker: Asker = PROGRAM
) -> dict[str, str]:
    """{"run": token, "workspace": secret} of a new run: the token shows it, only with the secret too it is stopped.

    A program keeps the secret and sends it again. Sent twice, what goes on already is answered, not started again.
    """
    try:
        if not isinstance(config, dict):
            raise EngineError("config must be a json object with the terminal's long option names.")
        visitor = Workspace.of(settings, workspace)
        run, new = starting.start(config, visitor, asker, spare)
        if not new and not _asks_for(run, config, visitor):
            raise RunError(
                f"This workspace has a training going on already, run {run.name}: follow it, or stop it first."
            )
        return {"run": run.name, "workspace": visitor.token}
    except EngineError as error:
        raise answered(error) from None


def _asks_for(run: Run, config: dict[str, Any], visitor: Workspace) -> bool:
    """Whether that is what the run was started with."""
    wanted: TrainConfig = start.checked_config(config, visitor)
    return started_with(run, {})[0] == wanted


def resume_training(
    settings: Settings, spare: Spare | None, run: str, workspace: str, asker: Asker = PROGRAM
) -> dict[str, str]:
    """{"state"} of a run that goes on where it was left; `workspace` is what `start_training` answered."""
    try:
        found = stoppable(run, settings, workspace)
        turns.go_on(found.name, Workspace(settings, workspace), asker, spare)
        return {"state": found.state()}
    except EngineError as error:
        raise answered(error) from None


def follow_run(settings: Settings, reader: EventReader, run: str) -> dict[str, Any]:
    """{"state", "events"} of a run; the folder's path stays here."""
    try:
        found = open_run(run, settings)
    except EngineError as error:
        raise answered(error) from None
    events = [{"kind": event.kind} | dataclasses.asdict(event) for event in reader.read(found)]
    for event in events:  # names instead of this machine's paths
        if "run_folder" in event:
            event["run_folder"] = found.name
        if "config" in event:
            event["config"] = event["config"] | {"data": data_name(event["config"]["data"])}
    return {"state": found.state(), "events": events}


def stop_training(settings: Settings, spare: Spare | None, run: str, workspace: str) -> dict[str, str]:
    """{"state"} after stopping; `workspace` is what `start_training` answered."""
    try:
        found = stoppable(run, settings, workspace)
        queue.stop(found, settings, spare)
        return {"state": found.state()}
    except EngineError as error:
        raise answered(error) from None


def add_endpoints(settings: Settings, pool: ClassifierPool, reader: EventReader, spare: Spare | None) -> None:
    """Register them in the page being built. Their inputs are called what the functions' parameters are called."""

    # Gradio looks for a request in a function's own signature, not in that of a partial one.
    def begin(config: Any, workspace: str, request: gr.Request) -> dict[str, str]:
        return start_training(settings, spare, config, workspace, asker_of(request, program=True))

    def go_on(run: str, workspace: str, request: gr.Request) -> dict[str, str]:
        return resume_training(settings, spare, run, workspace, asker_of(request, program=True))

    with gr.Group(visible=False):
        image = photo_input(label="image (a picture file)")
        classifier = gr.Textbox("imagenet", label="classifier (text)")
        config, run = gr.JSON(label="config (a json object)"), gr.Textbox(label="run (text)")
        answer, trigger = gr.JSON(label="answer"), gr.Button("endpoint")
        workspace = gr.Textbox("", label=WORKSPACE_LABEL)
        images = photos_button("images (picture files)")
    public: dict[str, Any] = {"api_visibility": "public", **UNSEEN}
    asking = ((predict, image, "predict", API), (predict_many, images, "predict_many", API_TABLES))
    for function, given, name, lane in asking:
        asked = functools.partial(function, pool)
        trigger.click(asked, [given, classifier], answer, api_name=name, **lane, **public)

    calls: dict[str, tuple[Callable[..., Any], Any, dict[str, Any]]] = {
        "models": (functools.partial(models, settings), workspace, API_READS),
        "report": (functools.partial(report, settings), [run, workspace], API_READS),
        "start_training": (begin, [config, workspace], START),
        "follow_run": (functools.partial(follow_run, settings, reader), run, API_READS),
        "stop_training": (functools.partial(stop_training, settings, spare), [run, workspace], HALT),
        "resume_training": (go_on, [run, workspace], START),
    }
    for called, (work, sent, lane) in calls.items():
        trigger.click(work, sent, answer, api_name=called, **lane, **public)

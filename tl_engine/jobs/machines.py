"""A training on Hugging Face's machines: checked, started, followed into the run's events, brought home, cleared up.

The token goes there as a secret only. What the job needs and what it learns lies in a private repository of its own,
which is deleted at the end; where that or anything else fails, the run's last event says so.
"""

import contextlib
import dataclasses
import os
import re
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tl_engine.base.download import hub_endpoint
from tl_engine.base.errors import ConfigError, EngineError, HubError, without_paths
from tl_engine.base.events import Event, Note, RunEnded, from_json
from tl_engine.base.files import make_parent, temporary, write_json
from tl_engine.base.names import visible
from tl_engine.base.settings import Settings
from tl_engine.hub.access import reason_of, status_of
from tl_engine.hub.commit import Delivery
from tl_engine.jobs.following import POLL, LostLogError, as_ours, log_lines
from tl_engine.jobs.home import JOB, fetch_home
from tl_engine.jobs.luggage import Photos, luggage
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import JOB as RECORD
from tl_engine.runs.run import Run

STARTED = "started"
IMAGE = "python:3.12"  # with GPUs as without: torch brings what it needs, but for the driver, which is the host's
DURATION = re.compile(r"[1-9]\d{0,4}[smhd]")
ENDING_SECONDS = 30.0  # a cancelled job is waited for
OVER = ("COMPLETED", "CANCELED", "ERROR", "DELETED")
SCRIPT = """set -e
python -m pip install -q huggingface_hub
python -c 'import os, huggingface_hub as hub
repo, commit = os.environ["TL_JOB"].split("@")
hub.snapshot_download(repo, revision=commit, local_dir="program")'
cd program
python -m pip install -q -r requirements.txt
python -c 'from tl_engine.jobs.luggage import unpack; unpack()'
code=0
python -m tl_engine train --config job.json --runs runs --name job --json || code=$?
python -c 'from tl_engine.jobs.following import POLL, LostLogError, as_ours, log_lines
from tl_engine.jobs.home import send_home; send_home()'
exit $code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Where to train, checked: the flavor is there, and the hub knows who pays."""

    delivery: Delivery  # of a repository for this job only
    user: str
    flavor: str
    timeout: str  # the job is ended by the hub after so long


def machines(flavor: str, timeout: str, token: str | None) -> Machines:
    """Ask the hub, before anything is made. Raises HubError and ConfigError."""
    if not DURATION.fullmatch(timeout):
        raise ConfigError(f"timeout must be a number with s, m, h or d, such as 2h, got {timeout[:40]!r}.")
    asked, user = Delivery.known("the job", token, done=STARTED)
    try:
        flavors = [hardware.name for hardware in asked.api.list_jobs_hardware()]
    except Exception as error:
        raise asked.refused("was not started", error, "try again later") from None
    if flavor not in flavors:
        raise ConfigError(
            f"There is no flavor {flavor[:40]!r} for a job: name one of {', '.join(map(visible, flavors))}."
        )
    own = dataclasses.replace(asked, repo=f"{user}/tl-job-{secrets.token_hex(4)}")
    return Machines(delivery=own, user=user, flavor=flavor, timeout=timeout)


@dataclass
class _Job:
    """What is known of it so far."""

    id: str = ""
    url: str = ""
    ended: RunEnded | None = None  # as the training there told it, held back
    last: str = ""  # line of its log that was no event
    kept: bool = field(default=False)  # whether the repository stays, since what was learnt is only there


def train_there(
    there: Machines, config: TrainConfig, photos: Photos | None, run: Run, settings: Settings,
    stop_asked: Callable[[], bool],
) -> Iterator[Event]:  # fmt: skip
    """Yield what happens, as a training here does; the last is a RunEnded, told once what it promises is here."""
    job, made = _Job(), False
    ending: tuple[str, str] = ("failed", "the job was left")
    try:
        yield Note(message=_sends(there, photos))
        _remember(run, there, job)
        commit = _sent(there, config, photos, settings)
        made = True
        _start(there, job, commit)
        _remember(run, there, job)
        yield Note(message=f"the job is {job.url}, on {there.flavor}, for at most {there.timeout}")
        yield from _followed(there, job, config, run, stop_asked)
        ending = yield from _home(there, job, config, photos, run, settings, stop_asked)
    except EngineError as error:
        ending = ("failed", str(error).rstrip("."))
    finally:
        left = _cleared(there, job) if made else ""
        if not left:
            (run.folder / RECORD).unlink(missing_ok=True)
    best = job.ended if ending[0] in ("finished", "stopped") and job.ended else None
    yield RunEnded(
        state=ending[0], reason=ending[1] + left, run_folder=str(run.folder),
        best_val_accuracy=best.best_val_accuracy if best else None, best_epoch=best.best_epoch if best else None,
        seconds=time.time() - run.facts.created,
    )  # fmt: skip


def _remember(run: Run, there: Machines, job: _Job) -> None:
    """For whoever finds the run after its process was killed: what goes on, and what lies there."""
    with contextlib.suppress(OSError):
        write_json(run.folder / RECORD, {"repository": there.delivery.repo, "job": job.url})


def _sends(there: Machines, photos: Photos | None) -> str:
    what = f"this program and {photos.words} go" if photos else "this program goes"
    return f"{what} to the private repository {there.delivery.repo}"


def _sent(there: Machines, config: TrainConfig, photos: Photos | None, settings: Settings) -> str:
    """The commit with all that the job needs. Raises HubError; then nothing is left there, or it says so."""
    make_parent(settings.cache)
    with temporary(settings.cache) as place:
        try:
            files = luggage(config, photos, there.flavor, Path(place))
        except OSError as error:
            raise HubError(f"What the job needs could not be packed ({reason_of(error)}): make room.") from None
        there.delivery.make(private=True, update=False)
        return there.delivery.commit(files, "What the job needs", made=True, stale=lambda _name: False)


def _start(there: Machines, job: _Job, commit: str) -> None:
    delivery, endpoint = there.delivery, os.environ.get("HF_ENDPOINT")
    try:
        info = delivery.api.run_job(
            image=IMAGE, command=["bash", "-c", SCRIPT], flavor=there.flavor, timeout=there.timeout,
            env={JOB: f"{delivery.repo}@{commit}", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
            | ({"HF_ENDPOINT": endpoint} if endpoint else {}),
            secrets={"HF_TOKEN": delivery.token}, name="transfer-learning", namespace=there.user,
        )  # fmt: skip
    except Exception as error:
        payment = status_of(error) in (402, 403)
        remedy = "look at its billing, or use a token that may start jobs" if payment else "try again later"
        raise HubError(f"The job was not started ({reason_of(error, delivery.token)}): {remedy}.") from None
    job.id, job.url = info.id, f"{hub_endpoint()}/jobs/{there.user}/{info.id}"


def _followed(
    there: Machines, job: _Job, config: TrainConfig, run: Run, stop_asked: Callable[[], bool]
) -> Iterator[Event]:
    """The training's events as they come, in this run's words, without its end; what else it prints is no event."""
    for line in _lines(there, job, stop_asked):
        event = from_json(line)
        if event is None:
            job.last = line.strip() or job.last
        elif isinstance(event, RunEnded):
            job.ended = event
        elif (ours := as_ours(event, config, run)) is not None:
            yield ours


def _lines(there: Machines, job: _Job, stop_asked: Callable[[], bool]) -> Iterator[str]:
    """The job's log as it comes, until it is over or somebody asks to stop. Raises HubError where it is lost."""
    try:
        yield from log_lines(there.delivery.api, job.id, there.user, stop_asked)
    except LostLogError as error:
        raise HubError(
            f"The log of the job {job.url} was lost ({reason_of(error.reason, there.delivery.token)}), so it was "
            "ended: try again."
        ) from None


def _home(
    there: Machines, job: _Job, config: TrainConfig, photos: Photos | None, run: Run, settings: Settings,
    stop_asked: Callable[[], bool],
) -> Generator[Event, None, tuple[str, str]]:  # fmt: skip
    """How it ended, once what was learnt is here. Raises EngineError for whatever is no good end."""
    stage, message = _stage(there, job)
    if stage not in OVER and stop_asked():
        return "stopped", "stopped on request; what the job had learnt by then is not kept"
    if stage not in OVER:
        raise HubError(f"The log of the job {job.url} ended before the job did: try again.")
    if job.ended is None or stage == "CANCELED":
        why = visible(without_paths(message or job.last).replace(there.delivery.token, "..."))[:160].rstrip(" .")
        raise HubError(f"The job ended before its training did ({stage.lower()}{f', {why}' if why else ''}).")
    if job.ended.state == "failed":
        raise HubError(without_paths(str(job.ended.reason)).replace(there.delivery.token, "..."))
    yield Note(message="the job is over: what it learnt comes home")
    job.kept = True
    if not fetch_home(there.delivery, run, config, photos, settings):
        job.kept = False
        raise HubError(f"The job {job.url} sent nothing home: try again.")
    job.kept = False
    return job.ended.state, str(job.ended.reason)


def _stage(there: Machines, job: _Job) -> tuple[str, str]:
    """Where the job is, and what the hub says of it."""
    try:
        status = there.delivery.api.inspect_job(job_id=job.id, namespace=there.user).status
    except Exception as error:
        raise HubError(
            f"What became of the job {job.url} cannot be asked ({reason_of(error, there.delivery.token)}): try again."
        ) from None
    return str(getattr(status.stage, "value", status.stage)), str(status.message or "")


def _cleared(there: Machines, job: _Job) -> str:
    """End the job if it goes on, and delete its repository; what could not be done, as the end of a sentence."""
    left = _cancelled(there, job) if job.id else ""
    if job.kept:
        return left  # the sentence names it
    try:
        there.delivery.api.delete_repo(there.delivery.repo)
    except Exception:
        left += f"; the private repository {there.delivery.repo} is left on the hub, which you can delete there"
    return left


def _cancelled(there: Machines, job: _Job) -> str:
    try:
        if _stage(there, job)[0] in OVER:
            return ""
        there.delivery.api.cancel_job(job_id=job.id, namespace=there.user)
        until = time.monotonic() + ENDING_SECONDS
        while _stage(there, job)[0] not in OVER and time.monotonic() < until:
            time.sleep(POLL)
    except Exception:
        return f"; the job could not be cancelled and may go on: cancel it at {job.url}"
    return ""

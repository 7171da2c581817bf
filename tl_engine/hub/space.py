"""A Space of this program on the Hugging Face hub: its files, front matter and requirements, in one commit.

What a host has (runs, uploads, caches, backbones, secrets) stays here; of one run its classifier can go along.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_engine.backbones.architectures import get_architecture
from tl_engine.base.download import hub_endpoint
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.files import is_disk_full, make_parent, temporary
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import VERSION, Settings
from tl_engine.checkout.program import program_files
from tl_engine.checkout.requirements import REQUIREMENTS, gradio_version, requirements
from tl_engine.hub.access import checked_repo, reason_of, status_of
from tl_engine.hub.card import classifier_at
from tl_engine.hub.card_words import licences
from tl_engine.hub.commit import SPACE, BrokenOffError, Delivery, Files
from tl_engine.hub.files import CARD, DEMO, shipped_files
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import read_meta

DEFAULT_HARDWARE = "cpu-basic"
DEPLOYED = "deployed"
PYTHON = "3.12"
SCOPES = ("contribute-repos",)  # to make repositories, and to write into those that it made; no others
DATA = "/data"  # where a Space's persistent volume is mounted
STORED = {"TL_RUNS": f"{DATA}/runs", "TL_UPLOADS": f"{DATA}/uploads", "TL_CACHE_DIR": f"{DATA}/cache"}
OURS = ("tl_engine/", "ui/", f"{DEMO}/")  # of an earlier deployment, what is no more
TITLE = "Teach a classifier with your own photos"
ABOUT = (
    "Photos sorted into classes go in; an image classifier that can be tried, downloaded and shared comes out.\n\n"
    f"Made by `python -m tl_engine deploy` of version {VERSION}."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a Space is to be."""

    hardware: str | None = None  # None: what a Space has, cpu-basic where it is new
    model: Run | None = None  # whose classifier it opens with
    storage: bool = False  # a volume, so that runs outlive a restart
    sign_in: bool = False

    @property
    def chosen(self) -> str:
        """The hardware that its files are for."""
        return self.hardware or DEFAULT_HARDWARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What lies on the hub now, or would lie there: then there is no commit."""

    repo: str
    url: str
    commit: str | None
    hardware: str
    files: dict[str, int]  # name -> bytes
    readme: str
    requirements: str


def check_hardware(name: str) -> str:
    """The name of a Space's hardware. Raises HubError for one that there is not."""
    from huggingface_hub import SpaceHardware

    known = [hardware.value for hardware in SpaceHardware]
    if name not in known:
        raise HubError(f"There is no hardware {name[:40]!r} for a Space: name one of {', '.join(known)}.")
    return name


def planned(repo: str, wanted: Wanted, settings: Settings) -> Deployed:
    """What `deploy` would send: asks nobody, and needs no token. Raises EngineError."""
    with _prepared(checked_repo(repo), wanted, settings) as files:
        return _told(repo, None, wanted, files)


def deploy(
    repo: str,
    wanted: Wanted,
    settings: Settings,
    *,
    token: str | None,
    private: bool = False,
    update: bool = False,
    tell: OnProgress | None = None,
) -> Deployed:
    """Make the Space and put this program into it, in one commit; `tell` hears bytes.

    `update`: a Space of that name gets the files instead, keeps who may see it and what else lies in it, and its
    hardware where none is named. Raises HubError before anything was made, BrokenOffError once it had begun, which says
    what is left there; EngineError where the files cannot be made.
    """
    check_hardware(wanted.hardware or DEFAULT_HARDWARE)
    delivery = Delivery.checked(repo, token, SPACE, DEPLOYED)
    named = wanted.hardware is not None
    if update and not named:
        wanted = dataclasses.replace(wanted, hardware=_present_hardware(delivery))
    with _prepared(repo, wanted, settings) as files:
        total = sum(sizes(files).values())
        if tell:
            tell(0, total)
        bucket = _bucket(delivery) if wanted.storage else None
        try:
            made = delivery.make(private=private, update=update, **_options(wanted, bucket))
            commit = delivery.commit(files, f"Version {VERSION}", made=made, stale=lambda name: name.startswith(OURS))
        except BaseException:
            if bucket and bucket.made:
                with contextlib.suppress(Exception):  # it is empty, and the sentence is about the Space
                    delivery.api.delete_bucket(bucket.name)
            raise
        if not made:
            _set_up(delivery, wanted.chosen if named else None, bucket)
        if tell:
            tell(total, total)
        return _told(repo, commit, wanted, files)


def sizes(files: Files) -> dict[str, int]:
    """The bytes of each."""
    return {n: len(content) if isinstance(content, bytes) else content.stat().st_size for n, content in files.items()}


def _told(repo: str, commit: str | None, wanted: Wanted, files: Files) -> Deployed:
    readme, needed = (content.decode() for content in (files[CARD], files[REQUIREMENTS]) if isinstance(content, bytes))
    return Deployed(repo=repo, url=f"{hub_endpoint()}/spaces/{repo}", commit=commit, hardware=wanted.chosen,
                    files=sizes(files), readme=readme, requirements=needed)  # fmt: skip


@contextlib.contextmanager
def _prepared(repo: str, wanted: Wanted, settings: Settings) -> Iterator[Files]:
    """All files, for as long as the context lasts. Raises EngineError."""
    files: dict[str, Path | bytes] = dict(program_files())
    needed = requirements(check_hardware(wanted.chosen), sign_in=wanted.sign_in)
    if wanted.model is not None:
        classifier_at(wanted.model)
    make_parent(settings.cache)
    with temporary(settings.cache) as place:
        if wanted.model is not None:
            try:
                files |= shipped_files(wanted.model, repo, Path(place), settings)
            except EngineError:
                raise
            except Exception as error:  # OSError and what safetensors, written in Rust, makes of a full disk
                if not isinstance(error, OSError) and not is_disk_full(error):
                    raise
                raise HubError(
                    f"The files of {repo} could not be made ({reason_of(error)}), nothing was {DEPLOYED}: make room."
                ) from None
        files |= {CARD: readme(wanted).encode(), REQUIREMENTS: needed.encode()}
        yield dict(sorted(files.items()))


def readme(wanted: Wanted) -> str:
    """The README.md of the Space: its front matter, and two sentences. Raises ConfigError without Gradio."""
    from huggingface_hub import SpaceCardData

    more: dict[str, Any] = {"hf_oauth": True, "hf_oauth_scopes": list(SCOPES)} if wanted.sign_in else {}
    if wanted.model is not None and (base := _base_model(wanted.model)):
        more["models"] = [base]
    data = SpaceCardData(
        title=TITLE, emoji="🐝", colorFrom="green", colorTo="blue", sdk="gradio", sdk_version=gradio_version(),
        python_version=PYTHON, app_file="app.py", suggested_hardware=wanted.chosen, license="apache-2.0",
        short_description="Photos in, an image classifier out, no run lost",
        tags=["image-classification", "transfer-learning", "education"], **more,
    )  # fmt: skip
    return f"---\n{data.to_yaml()}\n---\n\n# {TITLE}\n\n{ABOUT}\n"


def _base_model(run: Run) -> str | None:
    """What the hub calls the backbone of a run's classifier."""
    meta = read_meta(classifier_at(run))
    return licences(meta, get_architecture(meta.architecture), whole=False).base


@dataclass(frozen=True, slots=True)
class _Bucket:
    name: str
    made: bool  # by this very call


def _bucket(delivery: Delivery) -> _Bucket:
    """The private volume beside the Space, for nothing else. Raises HubError."""
    name = f"{delivery.repo}-data"
    try:
        delivery.api.create_bucket(name, private=True)
    except Exception as error:
        if status_of(error) == 409:
            return _Bucket(name, made=False)
        raise delivery.refused("gets no storage", error, "leave out --storage, or try again") from None
    return _Bucket(name, made=True)


def _volumes(bucket: _Bucket) -> list[Any]:
    from huggingface_hub import Volume

    return [Volume(type="bucket", source=bucket.name, mount_path=DATA)]


def _options(wanted: Wanted, bucket: _Bucket | None) -> dict[str, Any]:
    """What a new Space is made with."""
    options: dict[str, Any] = {"space_sdk": "gradio", "space_hardware": wanted.chosen}
    if bucket:
        options["space_volumes"] = _volumes(bucket)
        options["space_variables"] = [{"key": key, "value": value} for key, value in STORED.items()]
    return options


def _present_hardware(delivery: Delivery) -> str | None:
    """What a Space runs on, if it is there and tells."""
    with contextlib.suppress(Exception):
        runtime = delivery.api.get_space_runtime(delivery.repo)
        present = runtime.requested_hardware or runtime.hardware
        return check_hardware(present) if present else None
    return None


def _set_up(delivery: Delivery, hardware: str | None, bucket: _Bucket | None) -> None:
    """The same for a Space that was there. Raises BrokenOffError, which says that the files are there."""
    from huggingface_hub import SpaceHardware

    try:
        if bucket:
            delivery.api.set_space_volumes(delivery.repo, _volumes(bucket))
            for key, value in STORED.items():
                delivery.api.add_space_variable(delivery.repo, key, value)
        if hardware:
            delivery.api.request_space_hardware(delivery.repo, SpaceHardware(hardware))
    except Exception as error:
        raise BrokenOffError(
            f"The files are in {delivery.repo}, but its hardware or storage could not be set "
            f"({reason_of(error, delivery.token)}): set it on the Space's own page, or try again."
        ) from None

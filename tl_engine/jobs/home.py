"""What a job learnt comes home by its private repository: sent there, fetched, looked at, and only then believed."""

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tl_engine.base.download import DownloadError, download, hub_endpoint
from tl_engine.base.errors import HubError
from tl_engine.base.files import temporary
from tl_engine.base.settings import MEGABYTE, Settings
from tl_engine.base.words import size_words
from tl_engine.hub.access import hub_api, reason_of
from tl_engine.hub.checks import check_files
from tl_engine.hub.commit import Delivery
from tl_engine.jobs.luggage import Photos
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.meta import META
from tl_engine.runs.run import BEST, MANIFEST, REPORT, Run
from tl_engine.runs.saved_classifier import TENSORS, read_meta
from tl_engine.runs.titles import data_name
from tl_engine.sources.room import check_room

JOB = "TL_JOB"  # the variable with USER/NAME@COMMIT of the job's repository
HOME = "home/"  # where it lies there
RUN = "runs/job"  # where the job trains
PICTURES, PACKED = "photos", "photos.zip"  # of a report: many small files, sent as one
PICTURE = re.compile(r"[0-9a-f]{32,64}\.jpg")
JUDGED = ("folds.npz", "val.npz", "test.npz")
TEXTS = ("report.json",)
MOST_PICTURES = 10_000
MOST_BYTES = {
    f"{BEST}/{META}": 2 * MEGABYTE,
    f"{BEST}/{TENSORS}": None,  # the settings say
    f"{REPORT}/reference.safetensors": 64 * MEGABYTE,
    f"{REPORT}/{PACKED}": 200 * MEGABYTE,
    MANIFEST: 64 * MEGABYTE,
    **{f"{REPORT}/{name}": 200 * MEGABYTE for name in (*JUDGED, *TEXTS)},
}
NEEDED = (f"{BEST}/{META}", f"{BEST}/{TENSORS}")


def send_home() -> None:
    """On the job, in the program's folder: what was learnt into the job's repository, in one commit."""
    from huggingface_hub import CommitOperationAdd

    repo, run = os.environ[JOB].partition("@")[0], Path(RUN)
    if not all((run / name).is_file() for name in NEEDED):
        return
    pictures = run / REPORT / PICTURES
    if pictures.is_dir():
        with zipfile.ZipFile(run / REPORT / PACKED, "w", zipfile.ZIP_STORED) as packed:
            for picture in pictures.iterdir():
                packed.write(picture, picture.name)
    found = [name for name in MOST_BYTES if (run / name).is_file()]
    operations = [CommitOperationAdd(path_in_repo=HOME + name, path_or_fileobj=run / name) for name in found]
    hub_api(os.environ["HF_TOKEN"]).create_commit(repo, operations, commit_message="What was learnt")


def fetch_home(delivery: Delivery, run: Run, config: TrainConfig, photos: Photos | None, settings: Settings) -> bool:
    """Bring it into the run's folder, whole and checked; False where the job sent nothing.

    Raises HubError in one sentence, then nothing of it is in the run's folder.
    """
    try:
        info = delivery.api.model_info(delivery.repo, files_metadata=True)
    except Exception as error:
        raise _unfetched(delivery, f"({reason_of(error, delivery.token)})") from None
    found = {file.rfilename.removeprefix(HOME): file for file in info.siblings or [] if file.rfilename.startswith(HOME)}
    if any(name not in found for name in NEEDED):
        return False
    wanted = {name: file for name, file in found.items() if name in MOST_BYTES}
    for name, file in wanted.items():
        most = MOST_BYTES[name] or settings.limits.classifier_bytes
        if not isinstance(file.size, int) or not 0 < file.size <= most:
            raise _unfit(delivery, f"{name} has no size of up to {size_words(most)}")
    check_room(run.folder, 2 * sum(file.size or 0 for file in wanted.values()), settings.limits)
    with temporary(run.folder) as place:
        folder = Path(place)
        for name, file in wanted.items():
            _download(delivery, str(info.sha), file, folder / name)
        _look_at(delivery, folder, config, settings)
        try:
            _made_ours(folder, run, config, photos)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
            raise _unfit(delivery, reason_of(error)) from None
    return True


def _unfetched(delivery: Delivery, why: str) -> HubError:
    return HubError(f"What the job learnt cannot be fetched {why}: it is kept in {delivery.repo}.")


def _unfit(delivery: Delivery, why: str) -> HubError:
    return HubError(f"What came home from the job is not what it should be ({why}): it is kept in {delivery.repo}.")


def _download(delivery: Delivery, commit: str, file: Any, path: Path) -> None:
    url = f"{hub_endpoint()}/{delivery.repo}/resolve/{commit}/{file.rfilename}"
    digest = file.lfs.get("sha256") if isinstance(file.lfs, Mapping) else getattr(file.lfs, "sha256", None)
    headers = {"Authorization": f"Bearer {delivery.token}"}
    try:
        download(url, path, sha256_prefix=digest or "", headers=headers, most_bytes=file.size)
    except DownloadError as error:
        raise HubError(
            f"What the job learnt cannot be fetched, since {error}: it is kept in {delivery.repo}."
        ) from None


def _look_at(delivery: Delivery, folder: Path, config: TrainConfig, settings: Settings) -> None:
    """As at a stranger's classifier; the names of one's own photos are kept."""
    reference = folder / REPORT / "reference.safetensors"
    named = reference.read_bytes() if reference.is_file() else None
    try:
        check_files("the classifier that came home", folder, settings)
    except HubError as error:
        raise _unfit(delivery, str(error).rstrip(".")) from None
    if named is not None and reference.is_file():
        reference.write_bytes(named)
    made = read_meta(folder / BEST).architecture
    if made != config.architecture:
        raise _unfit(delivery, f"its backbone is {made[:60]}")


def _made_ours(folder: Path, run: Run, config: TrainConfig, photos: Photos | None) -> None:
    """Names and folders as they are here, then all into the run's folder. Raises OSError, ValueError and their like."""
    _changed(folder / BEST / META, lambda kept: kept["config"].update(data=data_name(config.data)))
    here = photos is not None
    for name in TEXTS:
        _changed(folder / REPORT / name, lambda kept: kept.update(run=run.name, photos_here=here))
    root = str(photos.data.root) if photos else ""
    _changed(folder / MANIFEST, lambda kept: kept.update(root=root))
    packed = folder / REPORT / PACKED
    if packed.is_file():
        _unpack_pictures(packed, folder / REPORT / PICTURES)
        packed.unlink()
    for name in (REPORT, BEST):
        if (folder / name).is_dir():
            shutil.rmtree(run.folder / name, ignore_errors=True)
            os.replace(folder / name, run.folder / name)
    if (folder / MANIFEST).is_file():
        os.replace(folder / MANIFEST, run.manifest)


def _changed(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    if file.is_file():
        kept = json.loads(file.read_bytes())
        change(kept)
        file.write_text(json.dumps(kept), encoding="ascii")


def _unpack_pictures(packed: Path, into: Path) -> None:
    """Small copies by the names that a report gives them, and no others."""
    into.mkdir()
    with zipfile.ZipFile(packed) as archive:
        entries = [entry for entry in archive.infolist() if PICTURE.fullmatch(entry.filename)][:MOST_PICTURES]
        for entry in entries:
            if entry.file_size <= MEGABYTE:
                (into / entry.filename).write_bytes(archive.read(entry))

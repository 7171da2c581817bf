"""Where a backbone's weights come from: the host's file, a pip package, an earlier download, the network. No torch
is imported until something is loaded, so that the page can say what works here."""

import importlib.util
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tl_engine.backbones.architectures import ARCHITECTURES, Architecture
from tl_engine.backbones.libraries import import_timm
from tl_engine.backbones.weight_files import SUFFIXES, check_start, read_tensors
from tl_engine.base.download import DownloadError, download, hub_endpoint, proxied, reachable
from tl_engine.base.errors import ConfigError, WeightsError
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

TORCHVISION_URL = "https://download.pytorch.org/models/"
HUB_FILE = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsSource:
    """Where weights were found. `path` is None when they must come from the network or there are none."""

    kind: str  # "file", "package", "cache", "download" or "none"
    label: str  # for people
    path: Path | None = None
    preprocess: Path | None = None  # the host's json beside the file

    @property
    def available(self) -> bool:
        """Whether it works right now without a network."""
        return self.path is not None or self.kind == "none"

    @property
    def unproven(self) -> bool:
        """Whether what the file holds is anybody's guess: neither a package nor a download of now vouches for it."""
        return self.kind in ("file", "cache")

    @property
    def file(self) -> str:
        """What to call it in a refusal."""
        return self.path.name if self.path else self.label


def find_weights(architecture: Architecture, settings: Settings) -> WeightsSource:
    """The first source that holds: the host's file, a pip package, an earlier download, the network. Loads nothing."""
    if path := _host_file(architecture, settings):
        json = path.with_name(f"{path.name.split('.')[0]}.json")
        return WeightsSource(kind="file", label=path.name, path=path, preprocess=json if json.is_file() else None)
    if architecture.package and (path := _packaged(architecture.package)):
        return WeightsSource(kind="package", label=f"pip package {architecture.package}", path=path)
    if architecture.file:
        for folder in (settings.backbones, _torch_hub()):
            if (cached := folder / architecture.file).is_file():
                return WeightsSource(kind="cache", label=f"{cached.name}, downloaded before", path=cached)
    if architecture.pretrained:
        size = f", {architecture.megabytes:.0f} MB" if architecture.megabytes else ""
        return WeightsSource(kind="download", label=f"download{size}")
    return WeightsSource(kind="none", label="learns from scratch, no weights needed")


def _host_file(architecture: Architecture, settings: Settings) -> Path | None:
    """The host's own file: under the name of the architecture, or the one that torchvision or timm published it by."""
    if architecture.name.startswith("timm:"):
        return None
    # vgg16_blog is VGG-16 under another head: the same file serves both.
    stems = list(dict.fromkeys((architecture.name, architecture.builder)))
    for folder in settings.weight_folders:
        for stem in stems:
            for suffix in SUFFIXES:
                if (path := folder / f"{stem}{suffix}").is_file():
                    return path
        if published := _published_file(folder, [*stems, *_published_stem(architecture)], architecture, settings):
            return published
    return None


def _published_stem(architecture: Architecture) -> list[str]:
    return [architecture.file.rpartition("-")[0]] if architecture.file else []


def _published_file(folder: Path, stems: list[str], architecture: Architecture, settings: Settings) -> Path | None:
    """A file called STEM-HASH; the hash of today before older ones."""
    names = re.compile(rf"({'|'.join(map(re.escape, stems))})-[0-9a-f]{{8,64}}({'|'.join(map(re.escape, SUFFIXES))})")
    found = [path for path in folder.glob("*-*") if names.fullmatch(path.name) and path.is_file()]
    if folder == settings.backbones:  # our own download is no file of the host's
        found = [path for path in found if path.name != architecture.file]
    return min(found, key=lambda path: (path.name != architecture.file, path.name), default=None)


def working_now(settings: Settings) -> list[str]:
    """The names of the backbones that need no network here."""
    return [name for name, row in ARCHITECTURES.items() if find_weights(row, settings).available]


def check_weights(architecture: Architecture, settings: Settings) -> WeightsSource:
    """Where the weights are. Loads nothing and no torch, so that a page can ask it.

    Raises WeightsError within 5 seconds if they need a download and there is no network, and for a file that is none.
    """
    source = find_weights(architecture, settings)
    if source.path is not None:
        check_start(source.path)
    url = TORCHVISION_URL if architecture.library == "torchvision" else hub_endpoint()
    if source.available or proxied(url) or reachable(url):
        return source
    if architecture.library == "timm" and _in_hub_cache(architecture):
        return source
    raise _cannot_be_had(architecture, settings, f"{urlsplit(url).hostname} cannot be reached from here")


def _cannot_be_had(architecture: Architecture, settings: Settings, why: str) -> WeightsError:
    missing, working = f"The weights of {architecture.name} cannot be had here: {why}.", working_now(settings)
    labels = ", ".join(ARCHITECTURES[name].label for name in working)
    return WeightsError(
        f"{missing} Put {architecture.name}.pth into the folder of --weights-dir, or use one that works now: "
        f"{', '.join(working)}.",
        f"{architecture.label} cannot be had here now. Choose one that works: {labels}; or ask the host for it.",
    )


def load_weights(
    architecture: Architecture, settings: Settings, on_progress: OnProgress | None = None
) -> tuple[dict[str, "Tensor"], WeightsSource]:
    """The pretrained tensors by the library's names, downloaded if need be, and where they came from.

    Raises WeightsError within 10 seconds, naming what works here, when they cannot be had.
    """
    source = find_weights(architecture, settings)
    if source.path is not None:
        return _read(source, source.path, architecture)
    if source.kind == "none":
        raise WeightsError(f"{architecture.name} has no pretrained weights: use the strategy from-scratch.")
    try:
        if architecture.library == "timm":
            return _from_timm_hub(architecture), source
        path = settings.backbones / str(architecture.file)
        prefix = path.stem.rsplit("-", 1)[-1]  # torchvision's names end in the first digits of the hash
        download(TORCHVISION_URL + path.name, path, sha256_prefix=prefix, on_progress=on_progress)
        return _read(source, path, architecture)
    except DownloadError as error:
        raise _cannot_be_had(architecture, settings, str(error)) from None


def _packaged(package: str) -> Path | None:
    """The weight file inside an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    for location in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(location).rglob("*.pth")):
            return path
    return None


def _torch_hub() -> Path:
    """Where torch.hub keeps downloads (torch's own rule, without importing torch)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub" / "checkpoints"


def _read(source: WeightsSource, path: Path, architecture: Architecture) -> tuple[dict[str, "Tensor"], WeightsSource]:
    """The tensors of a file, and where they came from to the name of the table inside it."""
    state, table = read_tensors(path)
    if source.kind == "package":
        return _renamed_by_order(state, architecture), source
    label = f"{source.label}, its {table[:40]}" if table else source.label
    return {_modern_name(name): tensor for name, tensor in state.items()}, replace(source, label=label)


def _modern_name(name: str) -> str:
    """torchvision's DenseNet files still spell `norm.1` what the model calls `norm1`."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", name)


def _renamed_by_order(state: dict[str, "Tensor"], architecture: Architecture) -> dict[str, "Tensor"]:
    """The package's tensors under timm's names: both list the same shapes in the same order."""
    timm = import_timm()

    model = timm.create_model(architecture.builder, pretrained=False)
    names = list(model.state_dict())
    if [t.shape for t in model.state_dict().values()] != [t.shape for t in state.values()]:
        raise WeightsError(f"The package {architecture.package} does not hold the tensors of {architecture.builder}.")
    return dict(zip(names, state.values(), strict=True))


def _in_hub_cache(architecture: Architecture) -> str | None:
    """The file that the hub client keeps for a timm model, if it does."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(_hub_id(architecture), HUB_FILE)
    return path if isinstance(path, str) else None


def _hub_id(architecture: Architecture) -> str:
    """The hub repository of a timm model. Raises ConfigError for an unknown model, WeightsError if it has none."""
    timm = import_timm()

    check_timm_name(architecture)
    published = timm.get_pretrained_cfg(architecture.builder)
    if published and published.hf_hub_id:
        return str(published.hf_hub_id)
    raise WeightsError(
        f"timm publishes no weights for {architecture.builder}: choose another model or the strategy from-scratch."
    )


def _from_timm_hub(architecture: Architecture) -> dict[str, "Tensor"]:
    """The tensors timm publishes, from the hub client's cache or the network, renamed as timm's builder wants them.

    Offline the client retries for 46 s, so the network is probed first.
    """
    timm = import_timm()
    from huggingface_hub import hf_hub_download

    endpoint = hub_endpoint()
    path = _in_hub_cache(architecture)
    if path is None and not proxied(endpoint) and not reachable(endpoint):
        raise DownloadError(f"{urlsplit(endpoint).hostname} cannot be reached from here")
    try:
        if path is None:
            path = hf_hub_download(_hub_id(architecture), HUB_FILE)
        model = timm.create_model(architecture.builder, pretrained=True, pretrained_cfg_overlay={"file": path})
    except Exception as error:  # network, permission, disk: the hub client has its own family for each
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DownloadError(f"{architecture.builder}: {reason[:160]}") from None
    state: dict[str, Tensor] = model.state_dict()
    return state


def check_timm_name(architecture: Architecture) -> None:
    """Raise ConfigError unless timm can build it."""
    timm = import_timm()

    name = architecture.builder
    # is_model looks at the part before the dot; a tag of weights that do not exist would raise later.
    if not timm.is_model(name) or ("." in name and not timm.models.is_model_pretrained(name)):
        raise ConfigError(f"timm knows no model {architecture.builder[:60]!r}: timm.list_models() lists them.")

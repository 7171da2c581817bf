"""The hardware, decided when a network is prepared, with the reason kept for log and page. Accelerate does the rest."""

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from tl_engine.base.errors import is_memory_full
from tl_engine.base.files import write_json
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.networks.backbone import Backbone
from tl_engine.networks.folding import folded

T = TypeVar("T")
PROBE_BATCH = 4  # pictures
# On ZeroGPU torch says in every process that there is a GPU; there is one only where it was lent.
ZERO_GPU, LENT = "SPACES_ZERO_GPU", "TL_GPU_LENT"


@dataclass(slots=True)
class Portion:
    """How many photos pass through a network at once: all, until the memory is full; then half as many, down to one."""

    most: int | None = None
    _news: list[str] = field(default_factory=list)

    def of(self, number: int) -> int:
        """How many at once of that many."""
        return number if self.most is None else min(number, self.most)

    def tried(self, number: int, work: Callable[[int], T]) -> T:
        """`work(at_once)`, again with half as many where that fills the memory; any other error is raised at once."""
        while True:
            at_once = self.of(number)
            try:
                return work(at_once)
            except Exception as error:
                if at_once <= 1 or not is_memory_full(error):
                    raise
            # Not before: the error's traceback holds on to what filled the memory.
            self._halve(at_once)

    def _halve(self, at_once: int) -> None:
        self.most = at_once // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        now = "one by one" if self.most == 1 else f"{self.most} at once"
        self._news.append(f"The memory was full with {plural(at_once, 'photo')} at once: it goes on {now}.")

    def news(self) -> str:
        """What has to be told since the last time; "" for nothing."""
        told, self._news[:] = " ".join(self._news), []
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where and how this process computes."""

    accelerator: Accelerator
    precision: str  # "no" (float32), "bf16" or "fp16"
    reason: str  # one line: device, precision and why
    loader_workers: int  # processes that decode pictures beside the training

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        device: torch.device = self.accelerator.device
        return device

    def place(self, model: nn.Module) -> nn.Module:
        """The model on the device in channels_last, the layout convolutions run fastest in."""
        placed: nn.Module = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def place_to_learn(self, model: nn.Module) -> nn.Module:
        """The same for a model whose every layer will learn."""
        if self.device.type == "cpu" and self.precision == "bf16":
            for module in model.modules():
                if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 and max(module.stride) > 1:
                    _keep_in_float32(module)
        return self.place(model)


def _keep_in_float32(module: nn.Module) -> None:
    """Let this module compute in float32 under autocast.

    For depthwise convolutions with a stride: oneDNN's bfloat16 backward pass of MobileNetV2's first one took 380 ms
    for 32 pictures where float32 took 69 ms (2 cores, torch 2.14).
    """
    if "forward" in vars(module):  # done already
        return
    forward = module.forward

    def plain(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            outputs: torch.Tensor = forward(inputs.float())
            return outputs

    module.forward = plain


def make_runtime(backbone: Backbone, settings: Settings, *, learning: bool = False) -> Runtime:
    """Decide where and how this network is computed; whoever makes it hands it on.

    `learning`: every layer will learn, so the backward pass counts too. A second training in one process may get
    another precision than the first: Accelerate's own state, which would refuse that, is made anew.
    """
    precision, why = _precision(backbone, settings, learning)
    AcceleratorState._reset_state()
    # Without cpu=True Accelerate overlooks torchrun's processes on a machine without GPUs.
    accelerator = Accelerator(mixed_precision=precision, cpu=best_device().type == "cpu")
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    processes = f", {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
    # On the CPU the training itself uses every core; more processes would only push each other aside.
    alone = device.type == "cpu" or on_zero_gpu()  # which lends to processes that may have no children
    workers = 0 if alone else min(8, (os.cpu_count() or 1) // max(1, accelerator.num_processes))
    return Runtime(
        accelerator=accelerator,
        precision=precision,
        reason=f"running on {device.type} ({name}{processes}), {why}, channels_last",
        loader_workers=workers,
    )


def on_zero_gpu() -> bool:
    """Whether GPUs are lent here for seconds at a time, to processes that may have none of their own."""
    return bool(os.environ.get(ZERO_GPU))


def lend_gpu() -> None:
    """Say that this process is one that a GPU was lent to."""
    os.environ[LENT] = "1"


def best_device() -> torch.device:
    """The fastest kind of device this process has."""
    if on_zero_gpu() and LENT not in os.environ:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _precision(backbone: Backbone, settings: Settings, learning: bool) -> tuple[str, str]:
    """Accelerate's word for the precision, and the reason in words."""
    if chosen := os.environ.get("ACCELERATE_MIXED_PRECISION"):
        return chosen, f"{chosen}: ACCELERATE_MIXED_PRECISION asks for it"
    if best_device().type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        major, minor = torch.cuda.get_device_capability()
        if major >= 8:
            return "bf16", f"bfloat16: the GPU's capability is {major}.{minor}"
        return "fp16", f"float16 with gradient scaling: the GPU's capability is {major}.{minor}, below 8"
    if best_device().type == "mps":
        return "no", "float32: Apple GPU"
    if not _cpu_has_bfloat16():
        return "no", "float32: no GPU found, and this CPU has no bfloat16 unit"
    # Processes of one training must not disagree, so they do not measure.
    if os.environ.get("WORLD_SIZE", "1") != "1":
        return "bf16", "bfloat16: no GPU found, and this CPU has a bfloat16 unit"
    plain, half = _measured(backbone, settings, learning)
    words = f"{half * 1e3:.0f} ms beside {plain * 1e3:.0f} ms in float32 for {PROBE_BATCH} pictures on this CPU"
    return ("bf16", f"bfloat16: {words}") if half < plain else ("no", f"float32: bfloat16 takes {words}")


def _measured(backbone: Backbone, settings: Settings, learning: bool) -> tuple[float, float]:
    """Seconds in float32 and in bfloat16, measured once on each kind of machine.

    A measurement that fell out otherwise the next time would make every kept feature useless.
    """
    side = backbone.preprocess.crop
    asked = [torch.__version__, platform.processor(), _cpu_name(), torch.get_num_threads(), PROBE_BATCH,
             backbone.architecture.name, side, learning, "folded"]  # fmt: skip
    kept = settings.cache / "speed" / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(kept.read_text(encoding="ascii"))
        return float(known["float32"]), float(known["bfloat16"])
    model = backbone.model if learning else folded(backbone.model, side)
    plain, half = (_seconds(model, side, learning, enabled) for enabled in (False, True))
    with contextlib.suppress(OSError):  # the cache only saves time
        write_json(kept, {"asked": asked, "float32": plain, "bfloat16": half})
    return plain, half


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _seconds(model: nn.Module, image_size: int, learning: bool, enabled: bool) -> float:
    """The faster of two passes over a few pictures; the weights and statistics stay as they are."""
    model = model.to(memory_format=torch.channels_last).eval()
    images = torch.zeros(PROBE_BATCH, 3, image_size, image_size).to(memory_format=torch.channels_last)
    times = []
    for _ in range(2):
        started = time.perf_counter()
        with torch.set_grad_enabled(learning), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = model(images)
        if learning:
            outputs.float().sum().backward()
            model.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - started)
    return min(times)


def _cpu_has_bfloat16() -> bool:
    """Without the unit bfloat16 is emulated and slower than float32."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(answer() for answer in asked if answer is not None)

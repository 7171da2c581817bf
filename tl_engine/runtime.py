"""The hardware, decided once with the reason kept, so that log and page can say why. Accelerate does the rest."""

import os
import time
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

PROBE_BATCH = 4  # pictures


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


_made: list[Runtime] = []


def get_runtime(model: nn.Module | None = None, *, image_size: int = 224, learning: bool = False) -> Runtime:
    """The runtime of this process, decided at the first call; `model` then says what is worth measuring.

    Made once: Accelerate's state is global, a second precision would raise. `learning`: the backward pass counts too.
    """
    if not _made:
        _made.append(_decide(model, image_size, learning))
    return _made[0]


def _decide(model: nn.Module | None, image_size: int, learning: bool) -> Runtime:
    precision, why = _precision(model, image_size, learning)
    # Without cpu=True Accelerate overlooks torchrun's processes on a machine without GPUs.
    without_gpu = not (torch.cuda.is_available() or torch.backends.mps.is_available())
    accelerator = Accelerator(mixed_precision=precision, cpu=without_gpu)
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    processes = f", {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
    # On the CPU the training itself uses every core; more processes would only push each other aside.
    workers = 0 if device.type == "cpu" else min(8, (os.cpu_count() or 1) // max(1, accelerator.num_processes))
    return Runtime(
        accelerator=accelerator,
        precision=precision,
        reason=f"running on {device.type} ({name}{processes}), {why}, channels_last",
        loader_workers=workers,
    )


def _precision(model: nn.Module | None, image_size: int, learning: bool) -> tuple[str, str]:
    """Accelerate's word for the precision, and the reason in words."""
    if chosen := os.environ.get("ACCELERATE_MIXED_PRECISION"):
        return chosen, f"{chosen}: ACCELERATE_MIXED_PRECISION asks for it"
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        major, minor = torch.cuda.get_device_capability()
        if major >= 8:
            return "bf16", f"bfloat16: the GPU's capability is {major}.{minor}"
        return "fp16", f"float16 with gradient scaling: the GPU's capability is {major}.{minor}, below 8"
    if torch.backends.mps.is_available():
        return "no", "float32: Apple GPU"
    if not _cpu_has_bfloat16():
        return "no", "float32: no GPU found, and this CPU has no bfloat16 unit"
    # Processes of one training must not disagree, so they do not measure.
    if model is None or os.environ.get("WORLD_SIZE", "1") != "1":
        return "bf16", "bfloat16: no GPU found, and this CPU has a bfloat16 unit"
    plain, half = (_seconds(model, image_size, learning, enabled) for enabled in (False, True))
    words = f"{half * 1e3:.0f} ms beside {plain * 1e3:.0f} ms in float32 for {PROBE_BATCH} pictures on this CPU"
    return ("bf16", f"bfloat16: {words}") if half < plain else ("no", f"float32: bfloat16 takes {words}")


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

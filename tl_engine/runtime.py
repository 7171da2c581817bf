"""The hardware, decided once with the reason kept, so that log and page can say why. Accelerate does the rest."""

import functools
import os
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where and how this process computes."""

    accelerator: Accelerator
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


@functools.cache
def get_runtime() -> Runtime:
    """The runtime of this process. Made once: Accelerate's state is global, a second precision would raise."""
    precision, why = _precision()
    accelerator = Accelerator(mixed_precision=precision)
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    processes = f", {accelerator.num_processes} processes" if accelerator.num_processes > 1 else ""
    # On the CPU the training itself uses every core; more processes would only push each other aside.
    workers = 0 if device.type == "cpu" else min(8, (os.cpu_count() or 1) // max(1, accelerator.num_processes))
    return Runtime(
        accelerator=accelerator,
        reason=f"running on {device.type} ({name}{processes}), {why}, channels_last",
        loader_workers=workers,
    )


def _precision() -> tuple[str, str]:
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
    if _cpu_has_bfloat16():
        return "bf16", "bfloat16: no GPU found, and this CPU has a bfloat16 unit"
    return "no", "float32: no GPU found, and this CPU has no bfloat16 unit"


def _cpu_has_bfloat16() -> bool:
    """Without the unit bfloat16 is emulated and slower than float32."""
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(answer() for answer in asked if answer is not None)

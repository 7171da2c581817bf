"""Where GPUs are lent for seconds (ZeroGPU): the one function that a GPU is lent to. Imported there only."""

from collections.abc import Iterator

import spaces

from tl_engine.base.events import Event
from tl_engine.base.settings import Settings
from tl_engine.jobs.slices import LentGpu, Slice, work


def _seconds(part: Slice) -> int:
    """What a call asks for; `spaces` passes it the call's own arguments."""
    return part.seconds


@spaces.GPU(duration=_seconds)  # type: ignore[untyped-decorator]
def gpu_slice(part: Slice) -> Iterator[Event]:
    """A slice of a training; runs in a process forked for it, and its events come back one by one."""
    yield from work(part)


def lent_gpu(settings: Settings) -> LentGpu:
    """What works on the queue's runs here, in place of a process in waiting."""
    return LentGpu(settings, gpu_slice)

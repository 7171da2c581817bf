"""What a page looks after while it is served, whether anybody watches or not: one thread, every few seconds."""

import logging
import threading
import time
import traceback
from collections.abc import Callable

import psutil

from tl_engine.base.parallel import give_back_memory
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.process import Spare, prepare_spare
from tl_engine.visits.ageing import Ageing
from tl_engine.vitals.limits import SilenceWatch
from tl_engine.workspaces import scratch
from tl_engine.workspaces.forget import forget_deleted, forget_removed
from ui.gate.bodies import sweep_parts
from ui.gate.health import CRASH

LOG = logging.getLogger("tl_engine")
SECONDS = 5.0  # between two looks
GROWN = 50_000_000  # bytes more than before that are worth asking the heaps for


class Caretaker:
    """Starts waiting trainings, ends silent ones, keeps a process ready, does away with what is due."""

    def __init__(self, settings: Settings, spare: Spare | None) -> None:
        self.settings, self.spare = settings, spare
        self.duties: list[Callable[[], object]] = [
            SilenceWatch(settings).look,
            self.move_queue,
            lambda: forget_removed(settings),
            lambda: forget_deleted(settings),
            lambda: sweep_parts(scratch.handed_folder()),
            Ageing(settings).look,
            self.give_back,
        ]
        self._held = 0  # bytes, at the last look that gave some back

    def start(self) -> None:
        """Look from now on."""
        threading.Thread(target=self._watch, daemon=True).start()

    def look(self) -> None:
        """Once. Whatever goes wrong with one duty, those who wait for another must not wait for ever."""
        for duty in self.duties:
            try:
                duty()
            except Exception as error:
                traceback.print_exc()
                LOG.error("looking after the page failed", extra={CRASH: type(error).__name__})

    def move_queue(self) -> None:
        """Start who waits longest, or have a process ready for who comes next."""
        if not queue.advance(self.settings, self.spare) and self.spare:
            prepare_spare(self.spare)

    def give_back(self) -> None:
        """What a burst of work left goes back to the system, where this process holds clearly more than before."""
        process = psutil.Process()
        if process.memory_info().rss > self._held + GROWN:
            give_back_memory()
            self._held = process.memory_info().rss

    def _watch(self) -> None:
        while True:
            self.look()
            time.sleep(SECONDS)

"""How the server is, for whoever hosts it: figures that name no file and no visitor."""

import logging
import shutil
import sys
import threading
import time
from typing import Any

import psutil

from tl_engine.base.settings import VERSION, Settings
from tl_engine.runs import open_runs

FRESH = 1.0  # seconds for which an answer is given again
CRASH = "crash"  # what a log record may carry beside its words: the class of the error behind it


class LastError(logging.Handler):
    """Remembers of the newest error in a log when it was and what class it had, never what it said."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.newest: dict[str, Any] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the log."""
        kind = record.exc_info[0] if record.exc_info else None
        name = getattr(record, CRASH, kind.__name__ if kind else record.levelname.capitalize())
        self.newest = {"class": str(name)[:60], "time": round(record.created)}


class Health:
    """The figures of one server, at most a second old."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._began = settings, time.time()
        self._lock, self._until, self._known = threading.Lock(), 0.0, dict[str, Any]()
        self.errors = LastError()
        logging.getLogger("tl_engine").addHandler(self.errors)

    def figures(self) -> dict[str, Any]:
        """Looked up anew where the last ones are older than a second. Takes milliseconds: not for an event loop."""
        with self._lock:
            if time.monotonic() > self._until:
                self._known = self._looked_up()
                self._until = time.monotonic() + FRESH
            return self._known

    def _looked_up(self) -> dict[str, Any]:
        states = [run.state() for run in open_runs.listed(self._settings.runs)] if self._settings.runs.is_dir() else []
        place = next(p for p in (self._settings.uploads, *self._settings.uploads.parents) if p.exists())
        return {
            "status": "ok",
            "version": VERSION,
            "device": _device(),
            "queue": {"running": states.count("running"), "waiting": states.count("queued")},
            "disk_free_bytes": shutil.disk_usage(place).free,
            "memory_bytes": psutil.Process().memory_info().rss,
            "uptime_seconds": round(time.time() - self._began),
            "last_error": self.errors.newest,
        }


def _device() -> str:
    """What computes here; asking must neither load the library that knows nor wait until another thread has."""
    known = getattr(sys.modules.get("tl_engine.networks.runtime"), "best_device", None)
    return str(known().type) if known else "not known yet"

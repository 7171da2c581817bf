"""A training process kept ready: the training command with its imports done, waiting for its arguments.

Importing torch, timm and Accelerate takes seconds that a person who pressed Train should not wait. No torch here.
"""

import json
import subprocess
import sys
import threading

import psutil

LEAST_FREE = 2_000_000_000  # bytes of memory; a spare needs 0.4 GB for itself
COMMAND = [sys.executable, "-m", "tl_engine", "spare"]


class Spare:
    """At most one process in waiting."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def prepare(self, environment: dict[str, str]) -> None:
        """Start a process in waiting, unless there is one or memory is short."""
        with self._lock:
            ready = self._process is not None and self._process.poll() is None
            if ready or psutil.virtual_memory().available < LEAST_FREE:
                return
            self._process = subprocess.Popen(
                COMMAND,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def hand_over(self, arguments: list[str], errors: str) -> int | None:
        """Give the waiting process its arguments and a file for its stderr: its number, or None if there is none."""
        with self._lock:
            process, self._process = self._process, None
        if process is None or process.stdin is None or process.poll() is not None:
            return None
        try:
            process.stdin.write(json.dumps({"arguments": arguments, "errors": errors}).encode() + b"\n")
            process.stdin.close()
        except OSError:
            return None
        return process.pid

    def dismiss(self) -> None:
        """End the process in waiting, if there is one."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


SPARE = Spare()  # of this process

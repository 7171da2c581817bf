"""Jobs on this machine, for the hub of tests: each really runs its command, in a folder and process group of its own.

`python -m pip` does nothing there, and `python` is the one that runs the tests; the rest is as it would be.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hub_server import TOKEN, USER, Answer, Hub

ONE = re.compile(rf"/api/jobs/{USER}/(?P<id>[0-9a-f]+)(?:/(?P<verb>logs|cancel))?")
FLAVORS = ("cpu-basic", "t4-small")
SHIM = """#!/bin/sh
if [ "$1 $2" = "-m pip" ]; then exit 0; fi
exec {python} "$@"
"""


@dataclass
class Job:
    """One job: what was asked for, and its process."""

    spec: dict[str, Any]
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    stage: str = ""  # that somebody else decided

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text(errors="replace").splitlines()

    def state(self) -> str:
        if self.stage:
            return self.stage
        code = self.process.poll() if self.process else 1
        return "RUNNING" if code is None else "COMPLETED" if code == 0 else "ERROR"


@dataclass
class Jobs:
    """What runs them. `breaks`: pay, logs, inspect, cancel; `script`: run this instead of what was asked for."""

    hub: Hub
    place: Path
    jobs: dict[str, Job] = field(default_factory=dict)
    breaks: set[str] = field(default_factory=set)
    script: str = ""

    def answer(self, method: str, path: str, body: bytes, token: str) -> Answer:
        """The answer to one request."""
        if token != TOKEN:
            return Answer(403, {"error": "You don't have the rights"})
        if path == "/api/jobs/hardware":
            return Answer(200, [self._hardware(name) for name in FLAVORS])
        if path == f"/api/jobs/{USER}" and method == "POST":
            return self._start(json.loads(body))
        found = ONE.fullmatch(path)
        job = self.jobs.get(found["id"]) if found else None
        if found is None or job is None:
            return Answer(404, {"error": "no such job"})
        if (found["verb"] or "inspect") in self.breaks:
            return Answer(500, {"error": "broken"})
        if found["verb"] == "logs":
            return Answer(200, self._logs(job))
        if found["verb"] == "cancel":
            self.end(job, "CANCELED")
        return Answer(200, self._info(found["id"], job))

    def end(self, job: Job, stage: str) -> None:
        """End it from outside."""
        if job.process and job.process.poll() is None:
            os.killpg(job.process.pid, signal.SIGKILL)
            job.process.wait()
        job.stage = stage

    def end_all(self) -> None:
        """End whatever goes on."""
        for job in self.jobs.values():
            self.end(job, job.stage or "DELETED")

    def _start(self, spec: dict[str, Any]) -> Answer:
        if "pay" in self.breaks:
            return Answer(402, {"error": "Payment required"})
        name = f"{len(self.jobs) + 1:024x}"
        job = self.jobs[name] = Job(spec, self.place / name)
        (job.folder / "bin").mkdir(parents=True)
        (job.folder / "work").mkdir()
        (job.folder / "bin" / "python").write_text(SHIM.format(python=sys.executable))
        (job.folder / "bin" / "python").chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if k in ("LANG", "no_proxy", "HF_HUB_DISABLE_XET")}
        environment = kept | spec["environment"] | spec.get("secrets", {}) | {
            "PATH": f"{job.folder / 'bin'}:{os.environ['PATH']}", "HOME": str(job.folder / "home"),
            "OMP_NUM_THREADS": "1", "TMPDIR": str(self.place),
        }  # fmt: skip
        command = ["bash", "-c", self.script] if self.script else spec["command"]
        with (job.folder / "log").open("wb") as log:
            job.process = subprocess.Popen(command, cwd=job.folder / "work", env=environment, stdout=log, stderr=log,
                                           start_new_session=True)  # fmt: skip
        return Answer(200, self._info(name, job))

    def _info(self, name: str, job: Job) -> dict[str, Any]:
        owner = {"id": "1", "name": USER, "type": "user"}
        return {"id": name, "createdAt": "2026-11-25T00:00:00.000Z", "dockerImage": job.spec.get("dockerImage"),
                "command": job.spec["command"], "flavor": job.spec["flavor"], "owner": owner,
                "status": {"stage": job.state(), "message": None}}  # fmt: skip

    def _logs(self, job: Job) -> Iterator[bytes]:
        """As they are written; half a line waits."""
        told = 0
        while True:
            over = job.state() != "RUNNING"
            text = (job.folder / "log").read_bytes()
            lines = text.split(b"\n") if over else text[: text.rfind(b"\n") + 1].split(b"\n")[:-1]
            for line in lines[told:]:
                event = {"data": line.decode(errors="replace"), "timestamp": "2026-11-25T00:00:00.000Z"}
                yield b"data: " + json.dumps(event).encode() + b"\n\n"
            told = max(told, len(lines))
            if over:
                return
            time.sleep(0.05)

    @staticmethod
    def _hardware(name: str) -> dict[str, Any]:
        return {"name": name, "prettyName": name, "cpu": "2 vCPU", "ram": "16 GB", "ephemeralStorage": "20 GB",
                "accelerator": None, "unitCostMicroUSD": 167, "unitCostUSD": 0.000167,
                "unitLabel": "minute"}  # fmt: skip

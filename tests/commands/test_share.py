"""The terminal contract of `export`: one json object, exit codes, one sentence for what is wrong, nothing half-made."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exported import Exported
from tl_engine.__main__ import main
from tl_engine.base.settings import PROJECT

pytestmark = pytest.mark.usefixtures("one_thread")

Export = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run_export(exported: Exported, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Export:
    """`export` with the shared run's folders: (exit code, its one object, stderr)."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # of the process that runs the tests
    folders = ["--runs", str(exported.settings.runs), "--cache-dir", str(exported.settings.cache)]

    def run(*arguments: object) -> tuple[int, dict[str, Any], str]:
        code = main(["export", *map(str, arguments), *folders, "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else {}, captured.err

    return run


@pytest.mark.slow
def test_one_object_says_what_was_written_and_how_far_it_agrees(
    run_export: Export, exported: Exported, tmp_path: Path
) -> None:
    code, told, _ = run_export(exported.run.name, "--out", tmp_path / "mine.zip")
    assert code == 0
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert {(i.filename, i.file_size) for i in archive.infolist()} == {
            (f["name"], f["bytes"]) for f in told["files"]
        }
    verified = told["verified"]
    assert verified["photos"] == verified["same_class"] == 8
    assert verified["largest_difference"] < 1e-4
    for variant in verified["variants"].values():
        assert {"photos", "same_class", "largest_difference"} <= variant.keys()


def test_a_disagreement_is_exit_code_1_and_writes_nothing(
    run_export: Export, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tl_engine.sharing import verify

    monkeypatch.setattr(verify, "CLOSE", -1.0)
    code, told, said = run_export(exported.run.name, "--out", tmp_path / "mine.zip")
    assert code == 1
    assert told == {}
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("no-such-run",), "no-such-run"),
        (("../runs",), "runs"),
        (("imagenet",), "imagenet"),
        ((), "run"),
        (("RUN", "--out", "PLACE/mine.tar"), "out"),
        (("RUN", "--single", "PLACE/mine.zip"), "single"),
        (("RUN", "--out", "PLACE/absent/mine.zip"), "absent"),
        (("RUN", "--page", "PLACE/absent/deep"), "absent"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_is_made(
    run_export: Export, exported: Exported, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    given = [part.replace("RUN", exported.run.name).replace("PLACE", str(tmp_path)) for part in arguments]
    code, told, said = run_export(*given)
    assert (code, told) == (2, {})
    assert word in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_backbone_of_other_weights_is_refused(run_export: Export, exported: Exported, tmp_path: Path) -> None:
    other = tmp_path / "other" / "best"
    shutil.copytree(exported.run.best, other)
    meta = json.loads((other / "meta.json").read_text())
    meta["backbone"]["hash"] = "0" * 64
    (other / "meta.json").write_text(json.dumps(meta))
    code, _, said = run_export(other, "--out", tmp_path / "mine.zip")
    assert code == 2
    assert "weights" in said
    assert not (tmp_path / "mine.zip").exists()


@pytest.mark.slow
def test_one_that_is_ended_from_outside_leaves_nothing(exported: Exported, tmp_path: Path) -> None:
    """By SIGTERM, while it checks: no process, no folder, no half of a zip."""
    cache = exported.settings.cache
    command = [sys.executable, "-m", "tl_engine", "export", exported.run.name, "--out", str(tmp_path / "mine.zip"),
               "--runs", str(exported.settings.runs), "--cache-dir", str(cache), "--progress"]  # fmt: skip
    process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                               env=os.environ | {"PYTHONWARNINGS": "ignore"})  # fmt: skip
    assert process.stderr
    for line in process.stderr:
        if "checking" in line:
            break
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    process.stderr.close()
    assert process.returncode == 130
    end = time.monotonic() + 5
    while any((cache / "exports").iterdir()) and time.monotonic() < end:
        time.sleep(0.1)
    assert list((cache / "exports").iterdir()) == []
    assert list(tmp_path.iterdir()) == []

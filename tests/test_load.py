"""The load runs to its end, scene by scene, and nobody gets an error; how fast is for benchmarks on a quiet machine."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from benchmarks import load
from benchmarks.floods import Rude
from benchmarks.pupil import Pupil, handlers
from tests.serving import Server
from tests.test_benchmarks import make_folders

pytestmark = pytest.mark.slow
FEW = [
    "--pupils", "4", "--bursts", "1", "--minutes", "0.2", "--seconds", "3", "--flood", "60", "--tables", "2",
    "--table", "8", "--zip-megabytes", "1", "--past", "30", "--runs", "2",
]  # fmt: skip


def test_every_scene_comes_to_its_end_and_nobody_gets_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load, "SETTLING", 1.0)
    load.main([*make_folders(tmp_path), *FEW])
    rows = [line for line in capsys.readouterr().out.splitlines()[2:] if line.startswith("|")]
    assert not [row for row in rows if "failed" in row]
    assert len([row for row in rows if "memory after" in row]) == len(load.SCENES)
    for row in rows:
        if any(word in row for word in ("errors", "of their processes", "zips of")):
            assert "**no**" not in row, row


def test_five_hundred_calls_of_one_client_let_another_have_an_answer_within_five_seconds(tmp_path: Path) -> None:
    server = Server(tmp_path, flags=("--no-spare",))
    make_folders(tmp_path / "made")
    photo = next((tmp_path / "made" / "data").rglob("*.jpg"))
    try:
        server.start()
        asyncio.run(_flooded(server.url, photo))
    finally:
        server.stop()


async def _flooded(url: str, photo: Path) -> None:
    names = handlers(httpx.get(f"{url}/config", timeout=60).json())
    async with Pupil(url, 220, names) as rude, Pupil(url, 210, names) as other:
        await other.predict(photo)  # the network is there
        (sent,) = await rude.upload(photo)
        body = {"data": [sent, "imagenet"]}
        flood = Rude(url, names, photo, (), calls=500, tables=0, table=0)
        going = asyncio.create_task(flood.once(lambda: rude.http.post("/gradio_api/call/predict", json=body)))
        await asyncio.sleep(0.3)
        taken, asked = [], time.monotonic()
        while not going.done() or len(taken) < 3:
            taken.append(await other.predict(photo))
            assert time.monotonic() - asked < 120
        codes = await going
    assert len(codes) == 500
    assert set(codes) == {200, 429}  # its share waits, the rest is told when to come back
    assert max(taken) < 5

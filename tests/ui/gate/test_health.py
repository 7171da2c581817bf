"""/health: figures for the host, no secrets, to whom they are due, cheap."""

import json
import logging
from pathlib import Path

import pytest

from tests.ui.gate.asking import CODES, LAN, ask, make_gate
from tl_engine.base.settings import VERSION, Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from ui.gate import health
from ui.gate.health import CRASH, Health
from ui.gate.origins import Place

LOG = logging.getLogger("tl_engine")
FIELDS = {"status", "version", "device", "queue", "disk_free_bytes", "memory_bytes", "uptime_seconds", "last_error"}


@pytest.fixture(autouse=True)
def _as_before() -> object:
    handlers = list(LOG.handlers)
    yield
    LOG.handlers = handlers


def test_it_says_how_the_server_is(settings: Settings) -> None:
    queue.create(TrainConfig(data="digits"), settings, "waits")
    figures = Health(settings).figures()
    assert set(figures) == FIELDS
    assert figures["version"] == VERSION
    assert figures["queue"] == {"running": 0, "waiting": 1}
    assert figures["memory_bytes"] > 10_000_000
    assert figures["disk_free_bytes"] > 0
    assert figures["last_error"] is None


def test_it_is_looked_up_once_a_second(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Health(settings)
    assert kept.figures() is kept.figures()
    monkeypatch.setattr(health, "FRESH", -1.0)
    vars(kept)["_until"] = 0.0
    assert kept.figures() is not kept.figures()


def test_the_last_error_is_its_class_and_time_and_not_a_word_more(settings: Settings) -> None:
    kept = Health(settings)
    LOG.warning("a wrong access code")
    assert kept.errors.newest is None
    try:
        raise ZeroDivisionError("of Mia, in /home/host")
    except ZeroDivisionError:
        LOG.exception("broke")
    newest = kept.figures()["last_error"]
    assert newest["class"] == "ZeroDivisionError"
    assert set(newest) == {"class", "time"}
    LOG.error("a handler failed for Mia", extra={CRASH: "KeyError"})
    assert kept.errors.newest == {"class": "KeyError", "time": kept.errors.newest["time"]}
    LOG.error("words of Mia")
    assert kept.errors.newest["class"] == "Error"


def test_a_request_that_breaks_is_the_last_error(tmp_path: Path) -> None:
    gate = make_gate(tmp_path)
    ask(gate, "/breaks")
    told = ask(gate, "/health").json
    assert told["last_error"]["class"] == "ZeroDivisionError"
    assert "secret" not in json.dumps(told)


def test_it_is_told_to_this_computer_and_to_whoever_came_in(tmp_path: Path) -> None:
    gate = make_gate(tmp_path, place=LAN, codes=CODES)
    assert set(ask(gate, "/health").json) == FIELDS
    assert ask(gate, "/health", client="192.168.1.7").status == 403
    login = ask(
        gate, "/login", "POST", headers={"content-type": "application/x-www-form-urlencoded"}, body=[b"code=beekeeper"]
    )
    assert ask(gate, "/health", client="192.168.1.7", headers=login.cookies).status == 200


def test_without_codes_others_are_not_told_but_on_a_space(tmp_path: Path) -> None:
    open_to_all = Place(listens="0.0.0.0")
    headers = {"host": "192.168.1.2:7860"}
    reached = {"client": "192.168.1.7", "server": "192.168.1.2", "headers": headers}
    assert ask(make_gate(tmp_path, place=open_to_all), "/health", **reached).status == 403  # type: ignore[arg-type]
    space = make_gate(tmp_path, place=Place(local=False, space=True))
    assert ask(space, "/health", client="10.0.0.1", headers={"host": "x.hf.space"}).status == 200

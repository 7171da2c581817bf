"""What a shared page gives is said before it is hit, and what hangs there is ended; at home nothing is limited."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.vitals.test_pulse import silent_since
from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import HOME, SHARED, Settings
from tl_engine.runs import queue
from tl_engine.runs.config import PRESETS, STRATEGIES, TrainConfig
from tl_engine.runs.run import Run
from tl_engine.vitals.limits import SilenceWatch, check_epochs, limits_words, within_epochs


def test_at_home_nothing_is_limited_and_nothing_said() -> None:
    assert limits_words(HOME) == ""
    check_epochs(TrainConfig(data="x", strategy="fine-tuning", epochs=10_000), HOME)


def test_a_shared_page_says_what_it_gives() -> None:
    assert limits_words(SHARED).startswith("Here a training takes at most 30 epochs and 10 minutes.")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_every_strategy_begins_with_is_given(strategy: str) -> None:
    architecture = "small_vgg" if strategy == "from-scratch" else "efficientnet_lite0"
    for preset in (None, *PRESETS):
        config = TrainConfig.from_options({"data": "x", "strategy": strategy, "architecture": architecture}, preset)
        check_epochs(config, SHARED)


def test_more_is_refused_in_a_sentence_but_the_steps_of_a_solved_head_are_no_epochs() -> None:
    with pytest.raises(
        ConfigError, match="between 1 and 30 on this page, got 31: choose fewer, or train on a computer"
    ):
        check_epochs(TrainConfig(data="x", strategy="fine-tuning", epochs=31), SHARED)
    assert within_epochs(TrainConfig(data="x", epochs=500), SHARED)
    assert not within_epochs(TrainConfig(data="x", epochs=500, optimizer="sgd"), SHARED)


@pytest.fixture
def hanging(settings: Settings) -> Iterator[Run]:
    """A run whose process stands still."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        run = queue.create(TrainConfig(data="digits"), settings, "one")
        run.record_process(process.pid)
        process.send_signal(signal.SIGSTOP)
        silent_since(run, 40)
        yield run
        process.kill()


@pytest.mark.slow
def test_what_hangs_is_ended_on_a_shared_page_so_that_the_next_can_train(settings: Settings, hanging: Run) -> None:
    at = [0.0]
    watch = SilenceWatch(dataclasses.replace(settings, limits=SHARED), lambda: at[0])
    for at[0] in (0.0, 100.0, 179.0):
        watch.look()
        assert hanging.state() == "running"
    at[0] = 181.0
    watch.look()
    assert hanging.state() == "failed"
    assert (ended := hanging.ended()) is not None
    assert "no sign of life for 3 min" in ended.reason
    assert hanging.process() is None


def test_a_sign_begins_the_minutes_anew_and_at_home_nobody_counts(settings: Settings, hanging: Run) -> None:
    at = [0.0]
    shared = SilenceWatch(dataclasses.replace(settings, limits=SHARED), lambda: at[0])
    home = SilenceWatch(settings, lambda: at[0])
    shared.look()
    at[0] = 170.0
    os.utime(hanging.folder / "process.json")
    shared.look()
    silent_since(hanging, 20)
    for at[0] in (200.0, 340.0):
        shared.look()
        home.look()
        assert hanging.state() == "running"
    at[0] = 10_000.0
    home.look()
    assert hanging.state() == "running"

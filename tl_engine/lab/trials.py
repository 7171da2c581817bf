"""The textbooks as one press: backbones and strategies side by side, on the same photos, split and seeds.

Each trial is a run like any other, named after what it tries: begun again, a lab goes on where it was. No torch here.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tl_engine.backbones.architectures import get_architecture
from tl_engine.backbones.weights import check_weights
from tl_engine.base.errors import ConfigError, EngineError, RunError
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import CONFIG, OPEN_STATES, Run
from tl_engine.vitals.causes import cause_of_death

LOOK = 0.5  # seconds between looks at a run that is at work
MOST_TRIES = 20  # of one trial, whose earlier runs failed
SIX = ("resnet18", "alexnet", "vgg11_bn", "squeezenet1_0", "densenet121", "inception_v3")
THREE = ("feature-extraction", "fine-tuning", "from-scratch")
Options = dict[str, Any]
# What the textbooks try: https://docs.pytorch.org/tutorials/beginner/finetuning_torchvision_models_tutorial.html, and
# a blog's small VGG at 64 pixels, VGG-16 with a new classifier and ResNet-50.
LABS: dict[str, tuple[Options, ...]] = {
    "tutorial": tuple({"architecture": a, "strategy": s} for a in SIX for s in THREE),
    "blog": (
        {"architecture": "small_vgg", "strategy": "from-scratch", "preset": "blog"},
        {"architecture": "vgg16_blog", "strategy": "feature-extraction", "preset": "blog"},
        {"architecture": "resnet50", "strategy": "fine-tuning", "preset": "blog"},
    ),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to try: the settings of a run, and the seed."""

    config: TrainConfig

    @property
    def label(self) -> str:
        """What is tried, in words."""
        return f"{self.config.architecture}, {self.config.strategy}"

    def name(self, number: int) -> str:
        """Of its run; another number for another try. The same for the same settings."""
        digest = hashlib.sha256(repr(self.config).encode()).hexdigest()[:8]
        plain = f"lab-{self.config.architecture}-{self.config.strategy}".replace(":", "-").replace("/", "-")[:60]
        return f"{plain}-{digest}" + (f"-{number}" if number > 1 else "")


def trials(data: str, asked: Sequence[Options], repeats: int, more: Options) -> tuple[list[Trial], list[str]]:
    """The trials of a lab, and why some cannot be: a network without weights has nothing to be fine-tuned.

    All are judged on the same photos held out, since a head that is solved could judge on others. `more` are settings
    for all of them. Raises ConfigError for a wrong setting.
    """
    found, left_out = [], []
    for options in asked:
        preset = options.get("preset")
        plain = {name: value for name, value in options.items() if name != "preset"} | {"data": data, "judge": "split"}
        row = get_architecture(plain["architecture"])
        if plain["strategy"] != "from-scratch" and not row.pretrained:
            left_out.append(f"{row.name}, {plain['strategy']}: it has no pretrained weights to start from.")
            continue
        for seed in range(repeats):
            found.append(Trial(TrainConfig.from_options({**plain, "seed": seed, **more}, preset)))
    return found, left_out


def run_lab(
    asked: Sequence[Trial], settings: Settings, said: Callable[[str], object]
) -> tuple[list[tuple[Trial, Run]], list[str]]:
    """Run what has not been run yet, one after the other in the queue; what cannot be run is named with the reason.

    `said` hears how far it is.
    """
    done: list[tuple[Trial, Run]] = []
    left_out: list[str] = []
    for number, trial in enumerate(asked, start=1):
        try:
            if trial.config.strategy != "from-scratch":
                check_weights(get_architecture(trial.config.architecture), settings)
            run, new = _run_of(trial, settings)
        except EngineError as error:
            left_out.append(f"{trial.label}: {error}")
            continue
        said(f"{number} of {len(asked)}: {trial.label}, seed {trial.config.seed}{'' if new else ', known already'}")
        _wait(run, settings)
        ended = run.ended()
        if ended is None or ended.state != "finished":
            why = ended.reason if ended else f"its process died: {cause_of_death(run)}; begin the lab again"
            left_out.append(f"{trial.label}: {why}")
        else:
            done.append((trial, run))
    return done, list(dict.fromkeys(left_out))


def _run_of(trial: Trial, settings: Settings) -> tuple[Run, bool]:
    """The run of a trial that finished or is at work, else a new one."""
    for number in range(1, MOST_TRIES + 1):
        run = Run(settings.runs / trial.name(number))
        if not (run.folder / CONFIG).is_file():
            return queue.start(trial.config, settings, run.name, None, None, "lab"), True
        if run.state() in (*OPEN_STATES, "finished"):
            return run, False
    raise RunError(f"it was tried {MOST_TRIES} times and never finished: look at {trial.name(1)}.")


def _wait(run: Run, settings: Settings) -> None:
    while run.state() in OPEN_STATES:
        queue.advance(settings)
        time.sleep(LOOK)


def asked_for(ready: str | None, architectures: str | None, strategies: str | None) -> list[Options]:
    """What a person asks for: a lab that is ready, or every backbone with every strategy they name."""
    if ready is not None:
        if ready not in LABS:
            raise ConfigError(f"set must be one of {', '.join(LABS)}, got {json.dumps(ready[:60])}.")
        return [dict(options) for options in LABS[ready]]
    named = [name.strip() for name in (architectures or "efficientnet_lite0").split(",") if name.strip()]
    ways = [name.strip() for name in (strategies or ",".join(THREE)).split(",") if name.strip()]
    return [{"architecture": name, "strategy": way} for name in named for way in ways]

"""Who may reach the page, under which limits, and by which codes: what the switches of `python app.py` mean."""

import argparse
import dataclasses
import os

from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import CLASSROOM, HOUR, SHARED, Limits, Settings
from tl_engine.workspaces import scratch
from ui.gate.codes import Codes, make_code
from ui.gate.gate import Gates
from ui.gate.origins import Place
from ui.serving.space import on_space, writable

MOST_HOURS = 24 * 365  # after which a page may be told to forget


def settings_for(arguments: argparse.Namespace) -> Settings:
    """Folders from switches and environment; a page for strangers gets the smaller limits. Raises ConfigError."""
    folders = {name: getattr(arguments, name) for name in ("runs", "data_dir", "weights_dir", "cache_dir")}
    settings = Settings.make(**folders)
    if on_space():
        settings = writable(settings)
    after = arguments.forget_after or os.environ.get("TL_FORGET_AFTER")
    limits = forgetting_limits(CLASSROOM if arguments.classroom else SHARED, after)
    if not (is_public(arguments) or arguments.classroom):
        return settings
    return dataclasses.replace(settings, limits=limits, classroom=arguments.classroom)


def is_public(arguments: argparse.Namespace) -> bool:
    """Whether others than who sits at this computer reach the page."""
    return bool(arguments.share or arguments.lan or on_space())


def forgetting_limits(limits: Limits, text: str | None) -> Limits:
    """The limits of a page for others, with the hours after which it forgets. Raises ConfigError."""
    if not text:
        return limits
    try:
        seconds = float(text) * HOUR
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MOST_HOURS * HOUR:  # nor what is no number at all
        raise ConfigError(f"forget-after must be a number of hours from 0 to {MOST_HOURS}, got {text[:60]!r}.")
    data = round(seconds)
    return dataclasses.replace(limits, data_seconds=data, run_seconds=max(data, limits.run_seconds) if data else 0)


def codes_for(arguments: argparse.Namespace) -> Codes | None:
    """The codes that let visitors in, where there are any: with --share, --lan, --classroom, and where one was given.

    Raises ConfigError for one that is soon guessed.
    """
    asked = arguments.access_code or arguments.teacher_code
    if not (arguments.share or arguments.lan or arguments.classroom or asked):
        return None
    teacher = arguments.teacher_code or (make_code() if arguments.classroom else "")
    return Codes.checked(arguments.access_code or make_code(), teacher, short=arguments.short_code)


def tell_codes(codes: Codes | None) -> None:
    """Whoever hosts reads the codes once, on the terminal and in no log."""
    if codes:
        print(f"Access code: {codes.pupil}", flush=True)
    if codes and codes.teacher:
        print(f"Teacher's code: {codes.teacher}", flush=True)


def gates_for(arguments: argparse.Namespace, settings: Settings, codes: Codes | None) -> Gates:
    """What the gate before Gradio goes by: who may reach the page, and by which name."""
    place = Place(
        local=not is_public(arguments),
        listens=address(arguments) or "",
        forwarded=arguments.share or on_space(),
        space=on_space(),
    )
    return Gates(settings=settings, disk=scratch.handed_folder(), place=place, codes=codes)


def address(arguments: argparse.Namespace) -> str | None:
    """Where to listen; a Space tells Gradio itself."""
    if arguments.host or on_space():
        host: str | None = arguments.host
        return host
    return "0.0.0.0" if arguments.lan else "127.0.0.1"

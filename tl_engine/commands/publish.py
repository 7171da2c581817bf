"""`python -m tl_engine push | deploy`: a classifier, or this program, onto the Hugging Face hub."""

import argparse
import dataclasses
import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tl_engine.base.errors import RunError
from tl_engine.base.names import printable
from tl_engine.base.progress import telling
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural, size_words
from tl_engine.commands.printing import FAILED, FINISHED, Beside
from tl_engine.commands.understand import settings_of
from tl_engine.hub.commit import BrokenOffError
from tl_engine.hub.push import push
from tl_engine.hub.space import Deployed, Wanted, deploy, planned
from tl_engine.runs.find import classifier_folder
from tl_engine.runs.run import BEST, Run

T = TypeVar("T")


def push_command(arguments: argparse.Namespace) -> int:
    """Push a run, and say where it lies. Raises EngineError before anything was made."""
    settings = settings_of(arguments)
    run = _run(arguments.run, settings)
    send = functools.partial(push, run, arguments.repo, settings, private=not arguments.public, update=arguments.update)
    pushed = _sent("pushing", send)
    if pushed is None:
        return FAILED
    if arguments.json:
        files = [{"name": name, "bytes": size} for name, size in pushed.files.items()]
        print(json.dumps({"repo": pushed.repo, "url": pushed.url, "commit": pushed.commit, "files": files}))
    else:
        print(f"{plural(len(pushed.files), 'file')} in {pushed.url}, commit {pushed.commit}")
        print(f"to use it: python -m tl_engine predict hub:{pushed.repo} photo.jpg")
    return FINISHED


def deploy_command(arguments: argparse.Namespace) -> int:
    """Make a Space of this program, or say what would be sent. Raises EngineError before anything was made."""
    settings = settings_of(arguments)
    wanted = Wanted(
        hardware=arguments.hardware, storage=arguments.storage, sign_in=arguments.sign_in,
        model=None if arguments.model is None else _run(arguments.model, settings),
    )  # fmt: skip
    if arguments.dry_run:
        _say_deployed(planned(arguments.repo, wanted, settings), as_json=arguments.json)
        return FINISHED
    send = functools.partial(deploy, arguments.repo, wanted, settings, private=arguments.private,
                             update=arguments.update)  # fmt: skip
    done = _sent("deploying", send)
    if done is None:
        return FAILED
    _say_deployed(done, as_json=arguments.json)
    return FINISHED


def _sent(stage: str, send: Callable[..., T]) -> T | None:
    """What sending with the person's token and a bar came to; None where it broke off, which is said."""
    from huggingface_hub import get_token  # takes a second: a wrong name must not wait

    log = Beside()
    try:
        return send(token=get_token(), tell=telling(stage, log.show))
    except BrokenOffError as error:
        print(printable(str(error)), file=sys.stderr)
        return None
    finally:
        log.close()


def _say_deployed(done: Deployed, *, as_json: bool) -> None:
    """What lies there now; of what was not sent, every file and text."""
    if as_json:
        files = [{"name": name, "bytes": size} for name, size in done.files.items()]
        print(json.dumps(dataclasses.asdict(done) | {"files": files}))
        return
    total = f"{plural(len(done.files), 'file')}, {size_words(sum(done.files.values()))}"
    if done.commit is not None:
        print(f"{total}, in {done.url}, commit {done.commit}")
        print(f"The hub builds it now for {done.hardware}, which takes minutes: its page says when it runs.")
        return
    for name, size in done.files.items():
        print(f"{size:>12,}  {printable(name)}")
    print(f"\n--- README.md\n{done.readme}\n--- requirements.txt\n{done.requirements}")
    print(f"{total}, for {done.hardware}: nothing was sent.")


def _run(name: str, settings: Settings) -> Run:
    """The run of a classifier by what a person calls it; of one that ships, its folder. Raises RunError."""
    folder: Path | None = classifier_folder(name, settings)
    if folder is None:
        raise RunError("imagenet is a backbone as it comes, which others publish: name a run of yours.")
    return Run(folder.parent if folder.name == BEST else folder)

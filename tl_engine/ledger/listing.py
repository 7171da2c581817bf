"""Which runs there are, the newest first: the folder is listed anew only when a run came or went."""

import heapq
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.settings import Settings
from tl_engine.runs.run import Run, list_runs

SETTLED = 2_000_000_000  # nanoseconds after which a folder's time tells every change: some clocks stand that long
Entry = tuple[float, str, Run]  # when it was asked for, its name


@dataclass(frozen=True, slots=True)
class Listing:
    """The folder of the runs as it was at a time."""

    changed: int  # nanoseconds since 1970
    by_owner: dict[str | None, list[Entry]]  # the newest first; None: the host's


_KNOWN: dict[Path, Listing] = {}


def runs_of(settings: Settings, owners: Iterable[str | None]) -> list[Run]:
    """The runs of these workspaces, the newest first. What config.json says of a run never changes."""
    by_owner = _listing(settings).by_owner
    found = [by_owner[owner] for owner in owners if owner in by_owner]
    return [run for _, _, run in heapq.merge(*found, key=lambda entry: entry[:2], reverse=True)]


def runs_by_owner(settings: Settings) -> dict[str, list[Run]]:
    """Workspace -> its runs, the newest first."""
    by_owner = _listing(settings).by_owner
    return {owner: [run for _, _, run in entries] for owner, entries in by_owner.items() if owner}


def owners(settings: Settings) -> frozenset[str]:
    """The workspaces that own a run."""
    return frozenset(owner for owner in _listing(settings).by_owner if owner)


def settled(changed: int) -> bool:
    """Whether nothing can still change at that time, nanoseconds since 1970."""
    return time.time_ns() - changed > SETTLED


def _listing(settings: Settings) -> Listing:
    try:
        changed = settings.runs.stat().st_mtime_ns
    except OSError:
        return Listing(0, {})
    known = _KNOWN.get(settings.runs)
    if known is None or known.changed != changed:
        known = Listing(changed, _by_owner(list_runs(settings)))
        if settled(changed):
            _KNOWN[settings.runs] = known
    return known


def _by_owner(runs: Iterable[Run]) -> dict[str | None, list[Entry]]:
    found: dict[str | None, list[Entry]] = {}
    for run in runs:
        facts = run.facts
        found.setdefault(facts.workspace, []).append((facts.created, run.name, run))
    return found

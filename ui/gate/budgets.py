"""How much one person may send: requests a minute and bytes an hour, and what an address may that has many persons.

And who was told just now to come back later is told so again at once.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from tl_engine.base.settings import GIGABYTE, Limits
from tl_engine.base.words import duration, size_words
from ui.gate.answers import Refusal, share_waits

MINUTE, HOUR = 60.0, 3600.0
MOST_KEPT = 20_000  # persons and addresses whose budgets are remembered; the one that came longest ago goes
RESTING, FLOOD = 1.0, 5  # refusals within so many seconds after which the same request is not looked at for as long
HOUSEHOLD = 10  # persons' budgets that an address has, whatever number of persons it says there are


class Bucket:
    """Something that fills again evenly: `most` in so many seconds, and never more than that."""

    def __init__(self, most: float, seconds: float, now: float) -> None:
        self._most, self._rate = most, most / seconds
        self._level, self._at = most, now

    def missing(self, wanted: float, now: float) -> float:
        """Seconds until that much is there; 0 where it is."""
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (wanted - self._level) / self._rate)

    def take(self, amount: float) -> None:
        """Use some, or with a minus give it back."""
        self._level -= amount


class Budgets:
    """What each person and each address has left."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._kept: OrderedDict[str, tuple[Bucket, Bucket]] = OrderedDict()

    def _of(self, key: str, share: int) -> tuple[Bucket, Bucket]:
        """The requests and the bytes of a person or an address."""
        if key not in self._kept:
            now = self._clock()
            requests = Bucket(self._limits.minute_requests * share, MINUTE, now)
            self._kept[key] = requests, Bucket(self._limits.hour_bytes * share, HOUR, now)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _both(self, person: str, address: str) -> list[tuple[Bucket, Bucket]]:
        return [self._of(person, 1), self._of(f"all of {address}", HOUSEHOLD)]

    def request(self, person: str, address: str) -> Refusal | None:
        """Count one, or refuse it."""
        now, both = self._clock(), self._both(person, address)
        wait = max(requests.missing(1, now) for requests, _ in both)
        if wait:
            most = f"{self._limits.minute_requests:,}"
            return Refusal(429, f"More than {most} requests a minute came from here: try again in 1 s.", max(wait, 1))
        for requests, _ in both:
            requests.take(1)
        return None

    def bytes(self, person: str, address: str, amount: int) -> Refusal | None:
        """Take so many bytes of this hour's, or refuse them."""
        now, both = self._clock(), self._both(person, address)
        wait = max(sizes.missing(amount, now) for _, sizes in both)
        if wait:
            most = size_words(self._limits.hour_bytes)
            if self._limits.hour_bytes >= GIGABYTE:
                most = f"{self._limits.hour_bytes / GIGABYTE:g} GB"
            return Refusal(429, f"More than {most} came from here in an hour: try again in {duration(wait)}.", wait)
        for _, sizes in both:
            sizes.take(amount)
        return None

    def give_back(self, person: str, address: str, amount: int) -> None:
        """For bytes that did not come after all."""
        for _, sizes in self._both(person, address):
            sizes.take(-amount)


class Resting:
    """Persons whose share waits and who go on asking: their flood costs a look here, not ten layers and the queue's.

    A few refusals are passed on: through one path go calls of every kind, and who is refused a table may press Stop.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: OrderedDict[tuple[str, str], tuple[float, int, float]] = OrderedDict()  # since, how often, until

    def note(self, person: str, path: str, wait: float) -> None:
        """They were told to come back in so many seconds."""
        now = self._clock()
        since, often, _ = self._told.get((person, path), (now, 0, 0.0))
        self._told[person, path] = (since, often + 1, now + wait) if now - since <= RESTING else (now, 1, now + wait)
        self._told.move_to_end((person, path))
        if len(self._told) > MOST_KEPT:
            self._told.popitem(last=False)

    def still(self, person: str, path: str) -> Refusal | None:
        """The same again, of somebody who was told so often enough within a second."""
        now = self._clock()
        since, often, until = self._told.get((person, path), (-math.inf, 0, 0.0))
        if often < FLOOD or now - since > RESTING:
            return None
        wait = max(1.0, until - now)
        return Refusal(429, share_waits(wait), wait)

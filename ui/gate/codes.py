"""Access codes: which role each gives, and how slowly they can be guessed."""

import asyncio
import hmac
import logging
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tl_engine.base.errors import ConfigError
from tl_engine.base.words import duration
from ui.gate.answers import Refusal
from ui.gate.persons import PUPIL, TEACHER

Clock = Callable[[], float]
LOG = logging.getLogger("tl_engine")
SHORTEST = 8  # characters
LONGEST = 200  # of what is compared at all
WRONG_SECONDS = 1.0  # what each wrong one costs
LONGEST_WAIT = 300.0
FREE = 2  # wrong ones before the wait grows beyond that
AT_ONCE = 16  # codes that are looked at together, whoever sends them
IN_LINE = 200  # that may wait for that; each of them is there for a second at most
FROM_ONE = 40  # of them from one address: a class of thirty comes through one
FORGOTTEN = 24 * 3600.0  # seconds after which a wrong one no longer counts
MOST_KEPT = 20_000
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another on a board
CROWDED = Refusal(429, "Very many codes are being tried just now: try again in 5 s.", 5)


def make_code(letters: int = 12) -> str:
    """A code that nobody guesses and that can be read from a board: twelve of 31 letters, in groups of four."""
    made = "".join(secrets.choice(LETTERS) for _ in range(letters))
    return "-".join(made[start : start + 4] for start in range(0, letters, 4))


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of a page: `pupil` lets in, `teacher` (where there is one) lets in as the teacher."""

    pupil: str
    teacher: str = ""

    @classmethod
    def checked(cls, pupil: str, teacher: str = "", *, short: bool = False) -> Self:
        """The codes, unless they can be guessed. Raises ConfigError."""
        for code, option in ((pupil, "--access-code"), (teacher, "--teacher-code")):
            if code and (len(code) > LONGEST or any(c.isspace() or not c.isprintable() for c in code)):
                raise ConfigError(
                    f"A code has at most {LONGEST} letters and no blanks around it: choose another {option}."
                )
            if code and len(code) < SHORTEST and not short:
                raise ConfigError(
                    f"A code of {len(code)} letters is soon guessed, {SHORTEST} are the fewest: choose another "
                    f"{option}, or insist with --short-code."
                )
        if pupil == teacher:
            raise ConfigError(
                "The two codes are the same, so everybody would be the teacher: choose another --teacher-code."
            )
        return cls(pupil, teacher)

    def role_for(self, given: str) -> str:
        """PUPIL, TEACHER or "", in the same time for any code."""
        sent = given.strip()[:LONGEST].encode()
        teacher = hmac.compare_digest(sent, self.teacher.encode()) and bool(self.teacher)
        pupil = hmac.compare_digest(sent, self.pupil.encode()) and bool(self.pupil)
        return TEACHER if teacher else PUPIL if pupil else ""

    def of_role(self, role: str) -> str:
        """The code that gives a role; "" for none."""
        return {PUPIL: self.pupil, TEACHER: self.teacher}.get(role, "")


class Guesses:
    """Who gave wrong codes, and how long they wait for the next try.

    A wrong one costs its sender a second; after two of them two more, then four and so on. All together no more are
    looked at than places allow, in the order they came: so many senders cannot race, and who has the right code
    waits a moment, not for ever.
    """

    def __init__(self, codes: Codes, clock: Clock = time.monotonic, second: float = WRONG_SECONDS) -> None:
        self._codes, self._clock, self._second = codes, clock, second
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the next may come
        self._places = asyncio.Semaphore(AT_ONCE)
        self._from: Counter[str] = Counter()

    async def role_for(self, given: str, person: str, address: str) -> str | Refusal:
        """The role of a code, "" for a wrong one, a refusal for one that comes too soon."""
        if refusal := self._too_soon(person, address):
            return refusal
        self._from[address] += 1
        self._from[""] += 1
        try:
            async with self._places:
                # Another try of the same person may have been wrong meanwhile.
                return self._too_soon(person) or await self._looked_at(given, person, address)
        finally:
            for key in (address, ""):
                self._from[key] -= 1
                if not self._from[key]:
                    del self._from[key]

    def _too_soon(self, person: str, address: str | None = None) -> Refusal | None:
        wait = self._wrong.get(person, (0, 0.0))[1] - self._clock()
        if wait > 0:
            return Refusal(429, f"Too many wrong codes came from here: try again in {duration(max(1, wait))}.", wait)
        crowded = address is not None and (self._from[""] >= IN_LINE or self._from[address] >= FROM_ONE)
        return CROWDED if crowded else None

    async def _looked_at(self, given: str, person: str, address: str) -> str:
        role = self._codes.role_for(given)
        if role:
            self._wrong.pop(person, None)
            return role
        count = self._remember(person)
        LOG.warning("a wrong access code from %s, number %d", address, count)
        await asyncio.sleep(self._second)
        return ""

    def _remember(self, person: str) -> int:
        """Count a wrong code, and set when the next may come."""
        now = self._clock()
        count, until = self._wrong.pop(person, (0, 0.0))
        count = 1 if until < now - FORGOTTEN else count + 1
        more = min(LONGEST_WAIT, self._second * 2.0 ** (min(count, 30) - FREE)) if count > FREE else 0.0
        self._wrong[person] = count, now + self._second + more
        if len(self._wrong) > MOST_KEPT:
            self._wrong.popitem(last=False)
        return count

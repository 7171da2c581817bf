"""What threads may spend together is bounded, and one that does not come back is known."""

import threading
import time

import pytest

from tl_engine.base.errors import DataError
from tl_engine.base.parallel import Budget, Precedence, few_heaps, give_back_memory, hung, in_order


def test_what_is_held_at_once_never_exceeds_the_budget() -> None:
    budget, lock = Budget(10), threading.Lock()
    held, peaks = 0, []

    def work(amount: int) -> None:
        nonlocal held
        with budget.part(amount):
            with lock:
                held += amount
                peaks.append(held)
            with lock:
                held -= amount

    threads = [threading.Thread(target=work, args=(amount,)) for amount in (3, 4, 5, 10, 1) * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(peaks) == 30
    assert max(peaks) <= 10


def test_more_than_there_is_gets_all_of_it_and_a_failure_gives_it_back() -> None:
    budget = Budget(10)
    try:
        with budget.part(1_000):
            raise ValueError
    except ValueError:
        pass
    with budget.part(10):
        pass


def test_long_work_lets_short_work_through_first() -> None:
    precedence, order, begun = Precedence(), [], threading.Event()

    def long_work() -> None:
        begun.wait(10)
        precedence.give_way(30)
        order.append("long")

    thread = threading.Thread(target=long_work)
    thread.start()
    with precedence.first():
        begun.set()
        time.sleep(0.05)
        order.append("short")
    thread.join(10)
    assert order == ["short", "long"]


def test_long_work_goes_on_where_there_is_always_short_work() -> None:
    precedence = Precedence()
    with precedence.first():
        precedence.give_way(0.01)


def test_a_process_works_on_after_its_heaps_were_seen_to() -> None:
    few_heaps()
    kept = [bytes(1_000_000) for _ in range(3)]
    give_back_memory()
    assert sum(map(len, kept)) == 3_000_000


def test_an_item_that_takes_too_long_is_an_error_and_its_thread_hangs_until_it_comes_back() -> None:
    let_go = threading.Event()
    with pytest.raises(DataError, match="could not be read within 0 s"):
        list(in_order(lambda _item: let_go.wait(60), [1], patience=0.05))
    assert hung()
    let_go.set()
    for _ in range(200):
        if not hung():
            break
        time.sleep(0.05)
    assert not hung()

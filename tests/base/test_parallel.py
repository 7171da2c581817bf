"""What threads may spend together is bounded."""

import threading

from tl_engine.base.parallel import Budget


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

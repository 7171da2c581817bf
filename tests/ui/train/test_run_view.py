"""A moment of a run is drawn once, however many look at it."""

from ui.train.run_view import DrawnOnce


def test_thirty_viewers_of_a_moment_have_it_drawn_once() -> None:
    drawn: list[str] = []
    once: DrawnOnce[str] = DrawnOnce(keep=2)

    def look(version: str) -> str:
        return once.of(version, lambda: drawn.append(version) or version.upper())  # type: ignore[func-returns-value]

    assert {look("a:1") for _ in range(30)} == {"A:1"}
    assert [look(version) for version in ("a:2", "a:3", "a:1")] == ["A:2", "A:3", "A:1"]
    assert drawn == ["a:1", "a:2", "a:3", "a:1"]  # only the last two are kept

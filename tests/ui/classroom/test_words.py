"""The class in words: names are text, nothing is sent twice, the code is in no part of the link that travels."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.classroom.conftest import waiting_run, with_photos
from tests.ui.classroom.conftest import Asked
from tl_engine.classroom.board import Board, Entry
from tl_engine.classroom.lesson import Lesson
from tl_engine.classroom.overview import Row
from tl_engine.classroom.pupils import Pupil, name_pupil
from tl_engine.workspaces.workspace import Workspace
from ui.classroom.address import lesson_link, own_name, pupils_origin, qr_html
from ui.classroom.overview_view import OverviewView
from ui.classroom.words import board_html, board_rows, class_table, lesson_html, listed, seen_words

MARKUP = "<img src=x onerror=alert(1)>"


def request(**headers: str) -> Any:
    return SimpleNamespace(headers=headers)


def test_the_code_travels_in_no_request() -> None:
    link = lesson_link(request(origin="http://192.168.7.5:7860"), None, "ab12cd34", "tiger")
    assert link == "http://192.168.7.5:7860/?lesson=ab12cd34#code=tiger"
    assert "tiger" not in link.partition("#")[0]
    assert lesson_link(request(host="x.example"), "https://abc.gradio.live/", "k", "c").startswith(
        "https://abc.gradio.live/?"
    )
    assert "<svg" in qr_html(link)
    assert MARKUP not in qr_html(f"http://x/{MARKUP}")


@pytest.mark.parametrize(
    ("host", "own"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("192.168.7.5", False), ("pc.local", False)],
)
def test_an_address_of_this_computer_only_is_known(host: str, own: bool) -> None:
    assert own_name(host) is own
    if not own:
        assert pupils_origin(request(host=f"{host}:7860"), None) == f"http://{host}:7860"
        assert pupils_origin(request(host=host), None) == f"http://{host}"


def test_names_and_titles_are_text(asked: Asked, tmp_path: Path) -> None:
    visitor = with_photos(asked.settings, "a" * 32, {"cat": range(2)}, tmp_path)
    pupil = name_pupil(visitor, MARKUP)
    assert isinstance(pupil, Pupil)
    row = Row(pupil, MARKUP, time.time(), 2, ())
    entry = Entry(seat=pupil.seat, run=MARKUP, saved=1, right="", seen=0, trouble=MARKUP)
    board = Board(test="x", at=0.0, entries=(entry,))
    lesson = Lesson(title=MARKUP, classes=("a b", "c"), open=("epochs",))
    for told in (
        class_table([(row, None)], frozen=True),
        board_html(board, board_rows(board, {pupil.seat: MARKUP}), pupil.seat),
        lesson_html(lesson, MARKUP),
        lesson_html(Lesson(title="x", data="digits"), MARKUP),
    ):
        assert "<img" not in told
    assert "(yours)" in board_html(board, board_rows(board, {}), pupil.seat)
    assert "(yours)" not in board_html(board, board_rows(board, {}), "")


def test_words() -> None:
    assert seen_words(None) == "not here"
    assert seen_words(time.time() - 3) == "here"
    assert seen_words(time.time() - 200) == "3 min ago"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_a_page_that_has_the_table_is_sent_nothing(asked: Asked) -> None:
    assert asked.page.classroom
    overview: OverviewView = asked.page.classroom.overview
    for number in range(40):
        name_pupil(Workspace(asked.settings, f"{number:032x}"), f"Pupil of row {number}")
    waiting_run(Workspace(asked.settings, f"{3:032x}"), "hers")
    first = overview.watch_class("")
    assert "40 pupils" in first[overview.table]
    assert "waiting, 0 trainings before it" in first[overview.table]
    again = overview.watch_class(first[overview.seen])
    assert list(again) == [overview.seen]
    status, answer = asked.call(asked.named("watch_class"), "teacher", {overview.seen: first[overview.seen]})
    assert status == 200
    assert len(answer) < 600

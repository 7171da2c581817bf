"""`--classroom`: two codes, a class's limits, and a lesson's link that has the class's code and never the teacher's."""

import pytest

from app import access, parse, settings_for
from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import CLASSROOM, SHARED


def test_a_class_and_its_teacher_have_a_code_each(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = parse(["--classroom", "--lan"])
    enter = access(arguments)["auth"]
    assert arguments.access_code != arguments.teacher_code
    assert enter("", arguments.access_code)
    assert enter("", arguments.teacher_code)
    assert not enter("", "")
    said = capsys.readouterr().out
    assert f"for the class: {arguments.access_code}" in said
    assert f"for the teacher: {arguments.teacher_code}" in said


def test_one_code_for_both_is_refused() -> None:
    with pytest.raises(ConfigError, match="different codes"):
        access(parse(["--classroom", "--access-code", "sunflower", "--teacher-code", "sunflower"]))


def test_a_class_has_limits_of_its_own() -> None:
    settings = settings_for(parse(["--classroom"]))
    assert (settings.classroom, settings.limits) == (True, CLASSROOM)
    assert not settings_for(parse(["--lan"])).classroom
    assert CLASSROOM.person_bytes < SHARED.person_bytes
    assert CLASSROOM.archive_bytes < SHARED.archive_bytes

"""`--classroom`: two codes, a class's limits, and a lesson's link that has the class's code and never the teacher's."""

import pytest

from app import parse
from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import CLASSROOM, SHARED
from ui.gate.persons import PUPIL, TEACHER
from ui.serving.access import codes_for, settings_for, tell_codes


def test_a_class_and_its_teacher_have_a_code_each(capsys: pytest.CaptureFixture[str]) -> None:
    codes = codes_for(parse(["--classroom", "--lan"]))
    assert codes is not None
    assert codes.pupil != codes.teacher
    assert [codes.role_for(code) for code in (codes.pupil, codes.teacher, "")] == [PUPIL, TEACHER, ""]
    tell_codes(codes)
    said = capsys.readouterr().out
    assert codes.pupil in said
    assert codes.teacher in said


def test_one_code_for_both_is_refused() -> None:
    with pytest.raises(ConfigError, match="teacher"):
        codes_for(parse(["--classroom", "--access-code", "sunflower", "--teacher-code", "sunflower"]))


def test_a_class_has_limits_of_its_own() -> None:
    settings = settings_for(parse(["--classroom"]))
    assert (settings.classroom, settings.limits) == (True, CLASSROOM)
    assert not settings_for(parse(["--lan"])).classroom
    assert CLASSROOM.person_bytes < SHARED.person_bytes
    assert CLASSROOM.archive_bytes < SHARED.archive_bytes


def test_a_class_forgets_after_a_school_day_unless_told_otherwise() -> None:
    assert settings_for(parse(["--classroom"])).limits.data_seconds == CLASSROOM.data_seconds > SHARED.data_seconds
    assert settings_for(parse(["--classroom", "--forget-after", "1"])).limits.data_seconds == 3600

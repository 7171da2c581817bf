"""My things on a page for strangers: it says how long things stay, and a training can be kept."""

import dataclasses

import pytest

from tests.ui.test_page import OTHER, OWNER, a_run
from tl_engine.base.errors import EngineError
from tl_engine.base.settings import SHARED, Settings
from tl_engine.visits.kept import is_kept
from tl_engine.workspaces.classifier_pool import ClassifierPool
from ui.page import Page

pytestmark = pytest.mark.usefixtures("unserved")


def test_a_training_is_kept_and_let_go_by_its_owner_and_the_page_says_so(here: Settings) -> None:
    shared = dataclasses.replace(here, limits=SHARED)
    page = Page(shared, ClassifierPool(shared), None)
    things, run = page.photos.things, a_run(shared, "1" * 32)
    words = str(page.blocks.get_config_file()["components"])
    assert words.count("Photos you bring are deleted 2 hours after you were last here") >= 2
    assert things.keep.visible
    shown = things.keep_one(OWNER, f"run {run.name}")
    assert is_kept(run)
    assert "kept until you delete it" in shown[things.said]
    assert [label for label, _ in shown[things.thing].choices if label.endswith(", kept")]
    assert "no longer kept" in things.keep_one(OWNER, f"run {run.name}")[things.said]
    assert not is_kept(run)
    for who, key in ((OTHER, f"run {run.name}"), (OWNER, ""), (OWNER, "run ../x")):
        with pytest.raises(EngineError):
            things.keep_one(who, key)


def test_at_home_the_page_speaks_of_no_end(here: Settings) -> None:
    page = Page(here, ClassifierPool(here), None)
    assert not page.photos.things.keep.visible
    assert "are deleted" not in str(page.blocks.get_config_file()["components"])

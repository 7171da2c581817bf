"""Every control of a setting says what the setting says and takes what the setting takes."""

import gradio as gr
import pytest

from tl_engine.base.settings import Settings
from tl_engine.runs.config import SETTINGS, TrainConfig
from ui.parts.wording import STRATEGIES
from ui.train.form import TrainForm
from ui.train.setting_controls import LABELS

pytestmark = pytest.mark.usefixtures("unserved")

PICKED = {"architecture"}  # from lists of what is here; the terminal's sentence speaks of names one types


@pytest.fixture
def form(settings: Settings) -> TrainForm:
    with gr.Blocks(analytics_enabled=False):
        return TrainForm(settings)


def test_every_control_but_the_lists_is_made_of_a_setting(form: TrainForm) -> None:
    assert set(form.options) - PICKED == set(LABELS)
    assert set(form.options) <= set(SETTINGS)


@pytest.mark.parametrize("name", LABELS)
def test_a_control_shows_the_settings_own_sentence_range_and_choices(name: str, form: TrainForm) -> None:
    shown, setting = form.options[name].get_config(), SETTINGS[name]
    assert shown["info"] == setting.text
    assert shown["label"] == LABELS[name]
    assert (shown.get("minimum"), shown.get("maximum")) == (setting.low, setting.high)
    assert tuple(value for _, value in shown.get("choices", [])) == setting.choices


def test_the_form_begins_with_a_training_as_it_is_by_itself(form: TrainForm) -> None:
    config = TrainConfig(data="digits")
    assert {name: form.options[name].value for name in LABELS} == {name: getattr(config, name) for name in LABELS}  # type: ignore[attr-defined]


def test_every_strategy_has_its_words() -> None:
    assert set(STRATEGIES) == set(SETTINGS["strategy"].choices)

"""docs/settings.md, made of the code: `python -m tests.house.settings_page` writes it anew."""

import argparse
from collections.abc import Iterable, Iterator

import app
from tests.house.test_layout import PROJECT
from tl_engine.commands.parser import make_parser
from tl_engine.runs.config import PRESETS, SETTINGS, default_of

PAGE = PROJECT / "docs" / "settings.md"
INTRODUCTION = """# Settings

Made of the code by `python -m tests.house.settings_page`; a test compares. A flag wins over a variable, a variable over
the default."""
OF_A_TRAINING = """## Of a training

Fields of `TrainConfig`, options of `train` (with dashes), names in a `--config` file and in `/start_training`. What is
given wins over the preset, the preset over the strategy's default."""
VARIABLES = {
    "TL_RUNS": "Folder of the runs, as `--runs`.",
    "TL_DATA_DIR": "Folder with the host's data sets, as `--data-dir`.",
    "TL_WEIGHTS_DIR": "Folder with backbone files, as `--weights-dir`.",
    "TL_CACHE_DIR": "Folder for what can be had again, as `--cache-dir`.",
    "TL_UPLOADS": "Folder for what visitors bring; default weights/uploads.",
    "TL_BACKBONES": "Folder for backbone files that are downloaded; default weights/backbones.",
    "TL_FORGET_AFTER": "Hours after which a page for others forgets, as `--forget-after`.",
    "TL_NICENESS": "How far a training steps back for those who wait for an answer, 0 (not at all) to 19; default 10.",
    "TL_PORT": "The page's port, as `--port`.",
    "TL_ORT_WEB": "A folder or address with the two files of onnxruntime-web, for pages that need no server.",
    "TL_GPU_LENT": "Set by the program itself, in a process that ZeroGPU lent a GPU to.",
    "TL_JOB": "Set by the program itself: the repository that a job takes its files from and sends its result to.",
    "TL_ASKED_AT": "Set by the program itself: when a waiting process got its work, seconds since 1970.",
    "GRADIO_SERVER_PORT": "The page's port where neither `--port` nor `TL_PORT` names one.",
    "GRADIO_SERVER_NAME": "The address that a Space listens on, where `--host` names none.",
    "SPACE_ID": "Set by a Space: the page is public, warns of what a restart loses, and writes where it may.",
    "OAUTH_CLIENT_ID": "Set, with others, by a Space with sign-in: visitors may sign in and push to their account.",
    "GRADIO_TEMP_DIR": "Folder for what is handed out; default one of this process's own, removed when it ends.",
    "HF_ENDPOINT": "A mirror of the Hugging Face hub.",
    "TORCH_HOME": "Where PyTorch keeps downloaded weights; those there are found.",
    "ACCELERATE_MIXED_PRECISION": "no, bf16 or fp16: the precision, instead of the one that is measured or looked up.",
    "CUDA_VISIBLE_DEVICES": "The GPUs that may be used.",
}


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table; a bar within a cell would end it."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def options_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """What a person may give it, but for --help and the commands."""
    return (
        action
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    )


def commands() -> dict[str, argparse.ArgumentParser]:
    """The terminal's commands by name."""
    choices = next(a.choices for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(choices)


def options_table(parser: argparse.ArgumentParser, leave_out: Iterable[str] = ()) -> str:
    """The options of a parser with their help, or that it has none."""
    shown = [action for action in options_of(parser) if action.dest not in leave_out]
    if not shown:
        return "No options."
    return table(
        ("option", "what it does"), ((f"`{', '.join(a.option_strings) or a.dest}`", a.help or "") for a in shown)
    )


def settings_table() -> str:
    """Every field of TrainConfig."""
    rows = ((f"`{s.name}`", s.text, s.allowed, default_of(s.name)) for s in SETTINGS.values())
    return table(("setting", "what it is", "allowed", "default"), rows)


def presets_table() -> str:
    """What each preset sets."""
    rows = ((f"`{name}`", ", ".join(f"{k} {v}" for k, v in values.items())) for name, values in PRESETS.items())
    return table(("preset", "sets"), rows)


def written() -> str:
    """The page."""
    parts = [INTRODUCTION, OF_A_TRAINING, settings_table(), presets_table(), "## Of the page: `python app.py`"]
    parts += [options_table(app.make_parser())]
    parts += ["## Of the environment", table(("variable", "what it is"), ((f"`{n}`", t) for n, t in VARIABLES.items()))]
    parts += ["## Of the terminal: `python -m tl_engine COMMAND`"]
    for name, parser in commands().items():
        note = " Beside the settings above:" if name == "train" else ""
        parts += [f"### `{name}`", f"{parser.description}{note}", options_table(parser, SETTINGS if note else ())]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")

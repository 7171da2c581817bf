"""What the engine exports: the names that README and notebooks use, each of them there, typed and documented."""

import re

import tl_engine
from tests.house.test_layout import PROJECT
from tl_engine.base.settings import VERSION

PUBLIC = ["Predictor", "TrainConfig", "__version__", "find", "inspect", "load_data", "resume", "train"]


def test_the_exported_names_are_these() -> None:
    """One more is a promise, one less breaks a notebook: say so in CHANGELOG.md."""
    assert sorted(tl_engine.__all__) == PUBLIC


def test_every_exported_name_is_there_and_says_what_it_is() -> None:
    undocumented = [name for name in PUBLIC if name != "__version__" and not getattr(tl_engine, name).__doc__]
    assert undocumented == []
    assert tl_engine.__version__ == VERSION


def test_type_checkers_may_read_the_package() -> None:
    assert (PROJECT / "tl_engine" / "py.typed").is_file()


def test_the_readme_imports_every_exported_name() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    imported = re.findall(r"^from tl_engine import (.+)$", readme, re.MULTILINE)
    assert sorted(name for line in imported for name in line.split(", ")) == [n for n in PUBLIC if n != "__version__"]

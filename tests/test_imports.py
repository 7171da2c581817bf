"""The page and the terminal answer before torch is there; nothing under tl_engine knows Gradio."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LIGHT = ("", ".runs", ".config", ".architectures", ".intake", ".events", ".classifiers", ".weights", ".__main__",
         ".collect", ".thumbnails", ".saved_classifier", ".weight_files", ".telling", ".disk_full")  # fmt: skip
MODULES = sorted((PROJECT / "tl_engine").glob("*.py"))


def test_light_modules_do_not_import_torch() -> None:
    names = ", ".join(f"tl_engine{name}" for name in LIGHT)
    code = f"import sys, {names}; print([m for m in ('torch', 'timm', 'accelerate', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_engine_never_imports_gradio(module: Path) -> None:
    imported = [
        name.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    ]
    assert not [name for name in imported if name.split(".")[0] in ("gradio", "ui")]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_pickle_is_loaded(module: Path) -> None:
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert given.get("weights_only") == "True"
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & {"pickle", "joblib", "dill"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_reads_in_one_sitting(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 250

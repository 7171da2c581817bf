"""The house: folders are nouns, floors are law, and the line above which torch is allowed is a line between packages.

CONTRIBUTING.md draws it; this table is it. A folder that is not in the table fails.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
FLOORS = {
    "tl_engine.base": 1,
    "tl_engine.photos": 2,
    "tl_engine.backbones": 2,
    "tl_engine.zips": 2,
    "tl_engine.checkout": 2,
    "tl_engine.data": 3,
    "tl_engine.runs": 4,
    "tl_engine.sources": 4,
    "tl_engine.networks": 4,
    "tl_engine.classifiers": 5,
    "tl_engine.inspection": 5,
    "tl_engine.vitals": 5,
    "tl_engine.explain": 6,
    "tl_engine.graphs": 6,
    "tl_engine.evaluation": 7,
    "tl_engine.training": 8,
    "tl_engine.lab": 8,
    "tl_engine.hub": 8,
    "tl_engine.ledger": 8,
    "tl_engine.sharing": 9,
    "tl_engine.jobs": 9,
    "tl_engine.workspaces": 10,
    "tl_engine.visits": 11,
    "tl_engine.classroom": 12,
    "tl_engine.commands": 13,
    "tl_engine": 14,  # __init__, api and __main__: what a notebook and a terminal name
    "ui.gate": 15,
    "ui.parts": 16,
    "ui.collection": 17,
    "ui.predict": 17,
    "ui.sharing": 17,
    "ui.train": 18,
    "ui.photos": 19,
    "ui.report": 19,
    "ui.runs": 19,
    "ui.classroom": 19,
    "ui.serving": 19,
    "ui": 20,
    "app": 21,
}
HEAVY = {f"tl_engine.{name}" for name in ("networks", "classifiers", "explain", "graphs", "training", "sharing")}
TORCH = {"torch", "torchvision", "timm", "accelerate", "sklearn", "datasets", "safetensors"}
MOST_LINES, MOST_MODULES = 250, 10
BESIDE = {"house", "browser", "examples"}  # folders of tests that are no package's
NO_NOUNS = {"utils", "helpers", "core", "common", "misc", "manager"}


def dotted(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    dotted(path): path
    for path in [
        PROJECT / "app.py",
        *sorted((PROJECT / "tl_engine").rglob("*.py")),
        *sorted((PROJECT / "ui").rglob("*.py")),
    ]
}


def package_of(module: str) -> str:
    """The package a module lies in; a package's own __init__ lies in itself."""
    return module if MODULES[module].name == "__init__.py" or module == "app" else module.rpartition(".")[0]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def targets(node: ast.AST) -> Iterator[str]:
    """What an import statement names: modules of ours as such, everything else by its first word."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        while name.split(".")[0] in ("tl_engine", "ui", "app") and name not in MODULES:
            name = name.rpartition(".")[0]
        yield name if name in MODULES else name.split(".")[0]


@cache
def guarded(module: str) -> frozenset[ast.AST]:
    """The statements that only type checkers run."""
    return frozenset(
        inner
        for node in ast.walk(tree(module))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    )


@cache
def imports(module: str, *, at_import: bool = False) -> frozenset[str]:
    """All a module imports, inside functions too, or only what importing it runs."""
    nodes = ast.walk(tree(module))
    if at_import:
        nodes = iter([n for n in tree(module).body for n in ([n] if not isinstance(n, ast.If) else ast.walk(n))])
    hidden = guarded(module)
    return frozenset(name for node in nodes if node not in hidden for name in targets(node))


def test_the_tests_see_every_module() -> None:
    """A search that does not go down into folders would test next to nothing."""
    known = {str(path.relative_to(PROJECT)) for path in MODULES.values()}
    assert {name for name in in_git() if name.endswith(".py") and (PROJECT / name).is_file()} <= known
    assert len(MODULES) > 80


def in_git() -> list[str]:
    """What git has or would take; nothing where this is no checkout."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "app.py", "tl_engine", "ui"]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False).stdout.split()


@pytest.mark.skipif(not in_git(), reason="no git checkout")
def test_no_module_is_ignored_by_git() -> None:
    """The rule for a folder of photos once swallowed the package tl_engine/data."""
    assert {str(path.relative_to(PROJECT)) for path in MODULES.values()} <= set(in_git())


def test_every_folder_has_a_floor() -> None:
    assert {package_of(module) for module in MODULES} == set(FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    own = package_of(module)
    ours = {name for name in imports(module) if name in MODULES}
    wrong = [name for name in ours if package_of(name) != own and FLOORS[package_of(name)] >= FLOORS[own]]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    state: dict[str, int] = {}

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if state.setdefault(module, 0):
            return
        for name in imports(module, at_import=True) & set(MODULES):
            if MODULES[name].name != "__init__.py":
                visit(name, (*above, module))
        state[module] = 1

    for module in MODULES:
        visit(module, ())


def reached(module: str) -> set[str]:
    """Everything that importing a module brings along, by the statements."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += imports(name, at_import=True) if name in MODULES else ()
    return seen


@pytest.mark.parametrize("module", [module for module in MODULES if package_of(module) not in HEAVY])
def test_light_modules_reach_no_torch(module: str) -> None:
    assert not reached(module) & TORCH


def test_light_modules_really_import_no_torch() -> None:
    """Once in a process of its own, since a library may bring another along."""
    light = [m for m in MODULES if package_of(m) not in HEAVY and not m.endswith("__main__")]
    code = f"import sys, {', '.join(light)}; print(sorted({TORCH!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("tl_engine")])
def test_the_engine_never_imports_gradio(module: str) -> None:
    assert not {name.split(".")[0] for name in imports(module)} & {"gradio", "ui", "app"}


@pytest.mark.parametrize("module", MODULES)
def test_what_begins_with_an_underscore_stays_in_its_module(module: str) -> None:
    names = [alias.name for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) for alias in node.names
             if (node.module or "").split(".")[0] in ("tl_engine", "ui")]  # fmt: skip
    assert [name for name in names if name.startswith("_")] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_reads_in_one_sitting(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    assert module.rpartition(".")[2] not in NO_NOUNS


@pytest.mark.parametrize("package", FLOORS)
def test_a_package_is_small_enough_to_see(package: str) -> None:
    modules = [m for m in MODULES if package_of(m) == package and MODULES[m].name != "__init__.py"]
    assert len(modules) <= MOST_MODULES


@pytest.mark.parametrize("package", [p for p in FLOORS if p.count(".") == 1])
def test_a_package_says_what_it_is_and_nothing_else(package: str) -> None:
    body = tree(package).body
    assert ast.get_docstring(tree(package))
    assert len(body) == 1


@pytest.mark.parametrize("module", MODULES)
def test_no_pickle_is_loaded(module: str) -> None:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert {k.arg: ast.unparse(k.value) for k in node.keywords}.get("weights_only") == "True"
    assert not imports(module) & {"pickle", "joblib", "dill"}


def test_tests_mirror_the_packages() -> None:
    """A test's folder is the package it tests, so that a module's tests are found by its place."""
    allowed = {package.removeprefix("tl_engine.").replace(".", "/") for package in FLOORS} | BESIDE
    folders = {path.parent.relative_to(PROJECT / "tests").as_posix() for path in (PROJECT / "tests").rglob("test_*.py")}
    assert folders - {"."} <= allowed

"""Which module may import which: one way, as docs/contributing.md draws it."""

import ast
from pathlib import Path

import pytest

import skmm

ROOT = Path(skmm.__file__).parent
ORDER = ["data", "nn", "objectives", "training", "targets", "persistence", "base"]
LEVEL = {room: level for level, room in enumerate(ORDER, start=1)}
LEVEL |= {"estimators": 8, "representation": 8, "model_selection": 9, "inspection": 10}
SIDE = {"preprocessing", "datasets", "metrics"}  # see data only
MAY_USE_SIDE = {"persistence", "model_selection", "inspection", "utils"}
NETS = {"_random", *ORDER, "estimators", "utils"}
ONLY_IN = {
    "skorch": {"training"},
    "torch": NETS | {"representation", "model_selection", "inspection"},
    "rdkit": {"preprocessing", "datasets"},
    "optuna": {"model_selection"},
    "matplotlib": {"_plotting"},
}
LAZY = {"rdkit", "optuna", "matplotlib"}
LONGEST = 300  # lines of code

FILES = [path for path in sorted(ROOT.rglob("*.py")) if "__pycache__" not in path.parts]


def imports(path):
    """(module name, whether at the top of the file) of every import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name, node in top) for name in names)


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def allowed(room, other):
    if other.startswith("_") or room == other or room in {"__init__", "utils"}:
        return True
    if other in SIDE:
        return room in MAY_USE_SIDE
    if room in SIDE:
        return other == "data"
    return LEVEL[other] < LEVEL[room]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    room = room_of(path)
    for name, at_top in imports(path):
        first, _, rest = name.partition(".")
        if first == "skmm" and not room.startswith("_"):
            other = rest.split(".")[0]
            assert allowed(room, other), f"{room} imports {name}"
        if first in ONLY_IN:
            assert room in ONLY_IN[first], f"{room} imports {first}"
        assert not (at_top and first in LAZY), f"{name} is imported at the top"


def test_private_modules_import_each_other_only():
    for path in FILES:
        if room_of(path).startswith("_") and room_of(path) != "__init__":
            ours = [n for n, _ in imports(path) if n.split(".")[0] == "skmm"]
            assert all(name.split(".")[1].startswith("_") for name in ours), path


# -- circles -----------------------------------------------------------------------


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def modules_of(name, importer):
    """Modules that are run by an import: the one named, and the inits above it.

    The inits that the importing module lies in are being run already.
    """
    while name not in MODULES:
        name = name.rpartition(".")[0]
    parts = name.split(".")
    above = {".".join(parts[:i]) for i in range(1, len(parts) + 1)}
    return {m for m in above if not f"{importer}.".startswith(f"{m}.")}


def needs():
    """For each module the modules that it imports, wherever in the file."""
    found = {}
    for name, path in MODULES.items():
        ours = [n for n, _ in imports(path) if n.split(".")[0] == "skmm"]
        found[name] = set().union(*(modules_of(n, name) for n in ours))
    return found


def circle(needs):
    """Modules that import each other in a ring, or an empty list."""
    done, trail = set(), []

    def visit(name):
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        trail.append(name)
        for other in sorted(needs[name]):
            if ring := visit(other):
                return ring
        done.add(trail.pop())
        return []

    return next((ring for name in needs if (ring := visit(name))), [])


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_circles():
    assert not circle(needs())


def test_nothing_is_looked_up_behind_the_imports():
    """``sys.modules`` and ``importlib`` would hide an arrow from the tests above."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "sys.modules" not in text, path
        if path != ROOT / "__init__.py":  # makes subpackages attributes, when asked
            assert "import_module" not in text, path


# -- length ------------------------------------------------------------------------


def docstring_lines(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            yield from range(node.body[0].lineno, node.body[0].end_lineno + 1)


def lines_of_code(path):
    """Lines that are neither blank nor a comment nor part of a docstring."""
    text = path.read_text(encoding="utf-8")
    docstrings = set(docstring_lines(ast.parse(text)))
    lines = enumerate(text.splitlines(), start=1)
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and i not in docstrings
        for i, line in lines
    )


def test_files_are_short():
    assert not {p.name: n for p in FILES if (n := lines_of_code(p)) > LONGEST}


def test_no_file_shadows_another():
    """A public module holds its own behaviour, not ``_x.py`` beside ``x.py``."""
    shadows = [p for p in FILES if p.name.startswith("_") and p.stem != "__init__"]
    pairs = [p for p in shadows if p.with_name(p.name.removeprefix("_")).exists()]
    assert not pairs


def test_every_room_has_a_level():
    rooms = {room_of(path) for path in FILES}
    known = {*LEVEL, *SIDE, "utils", "__init__"}
    assert {room for room in rooms if not room.startswith("_")} <= known

"""Who may import whom: left to right, as docs/contributing.md says."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

import skmm

ROOT = Path(skmm.__file__).parent
ORDER = ["data", "nn", "objectives", "training", "base"]
LEVEL = {room: level for level, room in enumerate(ORDER, start=1)}
LEVEL |= {"estimators": 6, "representation": 6, "model_selection": 7, "inspection": 8}
SIDE = {"preprocessing", "datasets", "metrics"}  # see data only
MAY_USE_SIDE = {"model_selection", "inspection", "utils"}
ONLY_IN = {
    "skorch": {"training"},
    "torch": {"data", "nn", "objectives", "training", "base", "estimators", "utils"}
    | {"representation", "model_selection", "inspection"},
    "rdkit": {"preprocessing", "datasets"},
    "optuna": {"model_selection"},
    "matplotlib": {"_plotting"},
}
LAZY = {"rdkit", "optuna", "matplotlib"}

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


def test_private_modules_import_nothing_of_ours():
    for path in FILES:
        if room_of(path).startswith("_") and room_of(path) != "__init__":
            assert not [n for n, _ in imports(path) if n.startswith("skmm")], path


NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}
NOT_CODE |= {tokenize.INDENT, tokenize.DEDENT}


def code_lines(path):
    """Number of lines that are not blank, comment or docstring."""
    text = path.read_text(encoding="utf-8")
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body:
            if ast.get_docstring(node, clean=False) is not None:
                lines -= set(range(body[0].lineno, body[0].end_lineno + 1))
    return len(lines)


def test_files_are_short():
    assert not {p.name: n for p in FILES if (n := code_lines(p)) > 300}


def test_every_room_has_a_level():
    rooms = {room_of(path) for path in FILES}
    known = {*LEVEL, *SIDE, "utils", "__init__"}
    assert {room for room in rooms if not room.startswith("_")} <= known

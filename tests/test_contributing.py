"""The page for contributors agrees with the code."""

import ast
import inspect
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import skmm
from skmm.base import ModalityEstimator
from skmm.nn import Block
from skmm.objectives import Objective
from tests.test_layers import LEVEL, SIDE, allowed

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
RECIPES = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
PICTURE = ElementTree.parse(ROOT / "docs" / "images" / "rooms.svg").getroot()
SVG = "{http://www.w3.org/2000/svg}"
OWNERS = {"Block": Block, "Objective": Objective}
OWNERS["ModalityEstimator"] = ModalityEstimator
RECIPE_OF = [
    *("fusion", "encoder", "head with several outputs", "objective"),
    *("stages and callbacks", "transformer", "data set", "inspection function"),
    *("display", "estimator"),
]


def rows_of(heading):
    """Cells of the table below a heading, without its first two lines."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split(" | ")] for line in lines[2:]]


def code(cell):
    """The first text in backticks of a cell."""
    return re.search(r"`([^`]+)`", cell)[1]


# -- the map -----------------------------------------------------------------------


def group(name):
    return next(g for g in PICTURE.iter(f"{SVG}g") if g.get("id") == name)


def test_picture_has_every_room_with_upper_rooms_above():
    height = {text.text: float(text.get("y")) for text in group("rooms")}
    assert height.keys() == LEVEL.keys() | SIDE
    for room, level in LEVEL.items():
        for other, lower in LEVEL.items():
            assert (level > lower) == (height[room] < height[other]), (room, other)


def test_arrows_of_the_picture_are_allowed_imports():
    arrows = {(a.get("data-from"), a.get("data-to")) for a in group("arrows")}
    assert all(allowed(*arrow) and not allowed(*arrow[::-1]) for arrow in arrows)
    assert {start for start, _ in arrows} == (LEVEL.keys() | SIDE) - {"data"}


def test_arrows_of_the_text_are_those_of_the_layers():
    (text,) = re.findall(r"`(inspection →[^`]+)`", PAGE)
    floors = [[room.strip() for room in floor.split(",")] for floor in text.split("→")]
    levels = [{LEVEL[room] for room in floor} for floor in floors]
    assert sorted(room for floor in floors for room in floor) == sorted(LEVEL)
    assert [len(level) for level in levels] == [1] * len(levels)
    assert levels == sorted(levels, key=max, reverse=True)


def test_map_names_every_room():
    named = {code(row[0]) for row in rows_of("Map")}
    package = ROOT / "skmm"
    paths = [p for p in package.rglob("__init__.py") if p.parent != package]
    rooms = {p.parent.relative_to(ROOT).as_posix() for p in paths}
    rooms = {room for room in rooms if "/_" not in room}  # private ones
    inner = {r for r in rooms if r.startswith("skmm/estimators/")}
    assert rooms - inner <= named
    assert all(any(ROOT.glob(name)) for name in named)


# -- facts and hooks ---------------------------------------------------------------


@pytest.mark.parametrize("row", rows_of("Facts stand on the class"), ids=lambda r: r[0])
def test_facts_exist_with_their_default(row):
    attribute, owner, _, default = row
    cls = OWNERS[owner]
    default = default.rstrip(" |")
    if default == "absent":
        assert any(code(attribute) in vars(sub) for sub in subclasses(cls))
        return
    value = getattr(cls, code(attribute))
    if re.fullmatch(r"`[^`]+`", default) and not default.startswith("`torch"):
        assert value == ast.literal_eval(default.strip("`"))
    elif default.startswith("`torch"):
        assert str(value) == default.strip("`")


def test_facts_of_the_docstrings_are_on_the_page():
    named = {code(row[0]) for row in rows_of("Facts stand on the class")}
    names = re.findall(r"`(_\w+|search_space)`", inspect.getdoc(ModalityEstimator))
    facts = {n for n in names if not callable(getattr(ModalityEstimator, n, None))}
    assert len(facts) > 5 and facts <= named


@pytest.mark.parametrize("row", rows_of("Hooks of an estimator"), ids=lambda r: r[0])
def test_hooks_exist_with_their_arguments(row):
    name, arguments = re.fullmatch(r"(\w+)\((.*)\)", code(row[0])).groups()
    parameters = inspect.signature(getattr(ModalityEstimator, name)).parameters
    named = [argument for argument in arguments.split(", ") if argument]
    assert named == [p for p in parameters if p != "self"]


def overridden():
    """Private methods of `ModalityEstimator` that its subclasses override."""
    for cls in subclasses(ModalityEstimator):
        for name, value in vars(cls).items():
            private = name.startswith("_") and not name.startswith("__")
            if (
                private
                and inspect.isfunction(value)
                and hasattr(ModalityEstimator, name)
            ):
                yield name


def subclasses(cls):
    for sub in cls.__subclasses__():
        if sub.__module__.split(".")[0] == skmm.__name__:
            yield from [sub, *subclasses(sub)]


def test_hooks_that_are_used_are_on_the_page():
    named = {code(row[0]).split("(")[0] for row in rows_of("Hooks of an estimator")}
    assert set(overridden()) <= named


# -- recipes and benchmarks --------------------------------------------------------


@pytest.mark.parametrize("title", RECIPE_OF)
def test_recipe_has_code_output_and_steps(title):
    section = RECIPES.split(f"\n## {title.capitalize()}\n")[1].split("\n## ")[0]
    assert "```python" in section and "```text" in section
    steps = re.findall(r"^\d\. ", section, re.MULTILINE)
    assert 3 <= len(steps) <= 6
    for path in re.findall(r"`((?:skmm|tests|docs)/[\w/.]+)`", section):
        assert (ROOT / path).exists(), path


def test_tables_of_tests_that_recipes_name_exist():
    text = (ROOT / "tests" / "test_common.py").read_text(encoding="utf-8")
    for name in re.findall(r"`([A-Z]+)`", RECIPES):
        variants = ROOT / "tests" / "nn" / "fusion" / "variants.py"
        found = f"\n{name} = " in text + variants.read_text(encoding="utf-8")
        assert found or name in ("FORMAT",), name


def test_benchmarks_exist_and_are_all_named():
    named = {
        n for row in rows_of("Benchmarks") for n in re.findall(r"`(\w[\w.]*)`", row[0])
    }
    folder = ROOT / "benchmarks"
    for name in named:
        path = folder / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name
    scripts = [p.stem for p in folder.glob("*.py") if '"__main__"' in p.read_text()]
    scripts += [p.parent.name for p in folder.glob("*/__main__.py")]
    assert set(scripts) <= named


def test_anchors_lead_to_headings():
    pages = {"contributing.md": PAGE, "recipes.md": RECIPES}
    for name, text in pages.items():
        for page, anchor in re.findall(r"\]\(([\w.]*)#([\w-]+)\)", text):
            titles = re.findall(r"^## (.+)$", pages[page or name], re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-") for title in titles]

"""The README and the guides do what they say, and name everything public."""

import contextlib
import importlib
import inspect
import io
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import skmm

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d+")


def tolerant(printed, promised):
    """Equal up to blanks, with decimals within 0.03: machines round differently."""
    texts = [NUMBER.sub("#", text).split() for text in (printed, promised)]
    numbers = [[float(n) for n in NUMBER.findall(t)] for t in (printed, promised)]
    assert texts[0] == texts[1]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.03)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_print_what_the_page_says(page):
    pytest.importorskip("rdkit")
    space, printed = {"__name__": "page"}, None
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, page.name, "exec"), space)
            printed = out.getvalue()
        elif printed:
            tolerant(printed, text)
            printed = None


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def public_modules():
    """Rooms and, inside them, sub-rooms that say what they offer."""
    for module in pkgutil.walk_packages(skmm.__path__, "skmm."):
        private = any(part.startswith("_") for part in module.name.split("."))
        if not private and (module.ispkg or module.name.count(".") == 1):
            yield importlib.import_module(module.name)


def test_sub_rooms_are_looked_into():
    names = {module.__name__ for module in public_modules()}
    assert {"skmm.training.replicas", "skmm.nn.fusion", "skmm.metrics"} <= names


def test_every_public_name_is_in_the_api_page():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for module in [skmm, *public_modules()]:
        for name in getattr(module, "__all__", []):
            assert re.search(rf"[`.]{name}`", page), (
                f"{module.__name__}.{name} is not in docs/api.md"
            )


def public_objects():
    for module in [skmm, *public_modules()]:
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield pytest.param(value, id=f"{module.__name__}.{name}")


def parameters_of(value):
    """Names that a user may give; none where `__init__` is not our own."""
    own = value.__init__ if inspect.isclass(value) else value
    if not getattr(own, "__module__", "").startswith("skmm"):
        return []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(own).parameters.items()
    return [name for name, p in parameters if p.kind in kinds and name != "self"]


def test_a_docstring_without_parameters_is_noticed():
    def undocumented(width):
        """Do something."""

    undocumented.__module__ = "skmm"
    with pytest.raises(AssertionError, match="width"):
        test_docstring_names_every_parameter(undocumented)


@pytest.mark.parametrize("value", list(public_objects()))
def test_docstring_names_every_parameter(value):
    doc = inspect.getdoc(value)
    assert doc
    names = parameters_of(value)
    assert not names or re.search(r"^Parameters\n-{10}$", doc, re.MULTILINE), names
    for name in names:
        assert re.search(rf"^\s*(.*, )?{name}\b.*:", doc, re.MULTILINE), name


def undocumented_methods(cls):
    """Public methods and properties of a class, defined by us, without a docstring."""
    kinds = inspect.isfunction, lambda value: isinstance(value, property)
    for name, value in inspect.getmembers_static(cls):
        own = getattr(value, "fget", None) or value
        ours = (getattr(own, "__module__", None) or "").split(".")[0] == "skmm"
        if ours and not name.startswith("_") and any(kind(value) for kind in kinds):
            if not inspect.getdoc(getattr(cls, name)):
                yield name


def test_a_method_without_docstring_is_noticed():
    class Undocumented:
        def method(self):
            pass

    Undocumented.method.__module__ = "skmm"
    assert list(undocumented_methods(Undocumented)) == ["method"]


@pytest.mark.parametrize("value", list(public_objects()))
def test_public_methods_have_docstrings(value):
    if inspect.isclass(value):
        assert not list(undocumented_methods(value))


def test_changelog_has_the_version_under_development():
    version = skmm.__version__.split(".dev")[0]
    assert f"## {version}" in (ROOT / "docs" / "changelog.md").read_text(
        encoding="utf-8"
    )


def test_required_packages_are_in_the_constraints():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    names = [re.split(r"[>=<]", need)[0] for need in project["project"]["dependencies"]]
    assert all(f"\n{name}==" in pinned for name in names)

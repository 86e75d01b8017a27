"""How far a reader has to walk: files that one call enters, and depth of classes."""

import importlib
import inspect
import pkgutil

import pytest

import skmm
from tests.tools.way import CALLS, own_classes, walk

MOST_FILES = {  # entered by one call
    "FusionClassifier.fit": 40,
    "FusionClassifier.predict_proba": 17,
    "NoHarmFusionClassifier.fit": 50,
    "compare_modalities": 51,
    "ModalitySearchCV.fit": 56,
}
MOST_CLASSES = 5  # of the package in the MRO of FusionClassifier
MOST_CLASS_FILES = 4  # that these classes lie in
MOST_ANCESTORS = 5  # of the package, of any of its classes


def test_every_call_has_a_budget():
    assert MOST_FILES.keys() == CALLS.keys()


@pytest.mark.parametrize("name", MOST_FILES)
def test_a_call_enters_few_files(name):
    files = walk(name).files
    assert len(files) <= MOST_FILES[name], files


def test_fusion_classifier_has_few_ancestors():
    classes = own_classes(skmm.FusionClassifier)
    assert len(classes) <= MOST_CLASSES, classes
    assert len({cls.__module__ for cls in classes}) <= MOST_CLASS_FILES, classes


def classes_of_the_package():
    for info in pkgutil.walk_packages(skmm.__path__, "skmm."):
        module = importlib.import_module(info.name)
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == module.__name__:
                yield cls


def test_no_class_has_many_ancestors():
    depths = {
        cls.__name__: len(own_classes(cls)) - 1 for cls in classes_of_the_package()
    }
    assert len(depths) > 100
    assert not {name: depth for name, depth in depths.items() if depth > MOST_ANCESTORS}

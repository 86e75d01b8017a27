import importlib
import pkgutil

import skmm
from skmm._class_registry import CLASSES, register


def import_all_modules():
    for module in pkgutil.walk_packages(skmm.__path__, "skmm."):
        importlib.import_module(module.name)


def test_every_registered_class_is_importable_under_its_name():
    import_all_modules()
    wrong = []
    for name, cls in CLASSES.items():
        module, _, short = name.rpartition(".")
        if getattr(importlib.import_module(module), short, None) is not cls:
            wrong.append(name)
    assert not wrong
    assert {"skmm.FusionClassifier", "skmm.nn.MLPEncoder"} <= {*CLASSES}


def test_classes_that_are_not_registered(monkeypatch):
    monkeypatch.setattr("skmm._class_registry.CLASSES", {})
    outside = type("Own", (), {"__module__": "own"})
    marked = type("Marked", (), {"__module__": "skmm.nn", "_is_abstract": True})
    for cls in (outside, marked, *named("_Private", "BaseOwn")):
        register(cls, "nn")
    inherits = type("Final", (marked,), {"__module__": "skmm.nn"})
    register(inherits, "nn")
    assert skmm._class_registry.CLASSES == {"skmm.nn.Final": inherits}


def named(*names):
    return [type(name, (), {"__module__": "skmm.nn"}) for name in names]

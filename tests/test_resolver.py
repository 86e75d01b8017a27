from types import SimpleNamespace

import pytest

from skmm import nn, objectives
from skmm._resolver import names, resolve, snake_case


class MeanFusion:
    def __init__(self, width=None, *, p=1):
        self.width = width


class GMUFusion:
    pass


class WideFusion:
    def __init__(self, width):
        self.width = width


class Fusion:
    pass


MODULE = SimpleNamespace(
    MeanFusion=MeanFusion,
    GMUFusion=GMUFusion,
    WideFusion=WideFusion,
    Fusion=Fusion,
    function=len,
    __all__=["MeanFusion", "GMUFusion", "WideFusion", "Fusion", "function"],
)


@pytest.mark.parametrize(
    "name, snake",
    [
        ("Mean", "mean"),
        ("LowRank", "low_rank"),
        ("GMU", "gmu"),
        ("LpNorm", "lp_norm"),
        ("MLPHead", "mlp_head"),
        ("InfoNCE", "info_nce"),
        ("", ""),
    ],
)
def test_snake_case(name, snake):
    assert snake_case(name) == snake


def test_names_of_classes_without_required_arguments():
    assert names(MODULE, "Fusion") == {"mean": MeanFusion, "gmu": GMUFusion}


def test_resolve_returns_a_new_default_instance():
    assert type(resolve("mean", MODULE, "Fusion")) is MeanFusion
    assert resolve("mean", MODULE, "Fusion") is not resolve("mean", MODULE, "Fusion")


@pytest.mark.parametrize("value", [None, MeanFusion(), 3])
def test_resolve_passes_on_other_values(value):
    assert resolve(value, MODULE, "Fusion") is value


@pytest.mark.parametrize("name", ["Mean", "wide", "", "meen", "function"])
def test_error_lists_the_names(name):
    expected = rf"^fusion must be one of \['gmu', 'mean'\] or an instance; got '{name}'"
    with pytest.raises(ValueError, match=expected):
        resolve(name, MODULE, "Fusion")


@pytest.mark.parametrize(
    "module, suffix", [(nn.fusion, "Fusion"), (objectives, "Objective")]
)
def test_every_name_can_be_resolved(module, suffix):
    known = names(module, suffix)
    assert known
    for name, cls in known.items():
        assert type(resolve(name, module, suffix)) is cls

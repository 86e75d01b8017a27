from types import SimpleNamespace

import pytest

from skmm import nn, objectives
from skmm._resolver import names, resolve, snake_case


class MeanFusion:
    def __init__(self, width=None, *, p=1):
        self.width = width


class GMUFusion:
    pass


class HungryFusion:
    def __init__(self, width):
        self.width = width


class Fusion:
    pass


ROOM = SimpleNamespace(
    MeanFusion=MeanFusion,
    GMUFusion=GMUFusion,
    HungryFusion=HungryFusion,
    Fusion=Fusion,
    function=len,
    __all__=["MeanFusion", "GMUFusion", "HungryFusion", "Fusion", "function"],
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


def test_names_are_those_of_classes_that_need_no_argument():
    assert names(ROOM, "Fusion") == {"mean": MeanFusion, "gmu": GMUFusion}


def test_a_name_gives_a_new_default_instance():
    assert type(resolve("mean", ROOM, "Fusion")) is MeanFusion
    assert resolve("mean", ROOM, "Fusion") is not resolve("mean", ROOM, "Fusion")


@pytest.mark.parametrize("value", [None, MeanFusion(), 3])
def test_what_is_no_string_passes(value):
    assert resolve(value, ROOM, "Fusion") is value


@pytest.mark.parametrize("name", ["Mean", "hungry", "", "meen", "function"])
def test_an_unknown_name_lists_the_names(name):
    expected = rf"^fusion='{name}' is not known; choose one of \['gmu', 'mean'\]"
    with pytest.raises(ValueError, match=expected):
        resolve(name, ROOM, "Fusion")


@pytest.mark.parametrize(
    "room, suffix", [(nn.fusion, "Fusion"), (objectives, "Objective")]
)
def test_every_name_of_our_rooms_works(room, suffix):
    known = names(room, suffix)
    assert known
    for name, cls in known.items():
        assert type(resolve(name, room, suffix)) is cls

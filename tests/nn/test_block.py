import copy
import pickle

import pytest
import torch
from sklearn import clone
from torch import nn

from skmm.nn import (
    BilinearFusion,
    Block,
    ConcatFusion,
    LpNormFusion,
    MLPEncoder,
    MLPHead,
    NoHarmFusion,
)
from skmm.nn.block import PerModality, built_clone
from tests.toys import MeanEmbedding, Ridge, assert_same_state, state_of

ODD_NAMES = ["a.b", "keys", "training", "forward", "50%", "%2E", "", "ünïcode", "a b"]


class Doubled(Block):
    """Two clones of a template, one after the other."""

    def __init__(self, template=None):
        super().__init__()
        self.template = template

    def build(self, in_shape):
        self.first = built_clone(self.template, in_shape)
        self.second = built_clone(self.template, (self.first.out_features,))
        self.out_features = self.second.out_features
        return self

    def forward(self, x):
        return self.second(self.first(x))


def test_the_constructor_makes_no_weights():
    block = MLPEncoder((8,))
    assert not block.is_built
    assert list(block.parameters()) == []


def test_build_returns_the_block():
    block = MLPEncoder((8,))
    assert block.build((3,)) is block
    assert block.is_built and block.out_features == 8


def test_a_clone_of_an_unbuilt_block_is_a_fresh_one():
    block = MLPEncoder((8,), dropout=0.5)
    copied = clone(block)
    assert copied is not block and not copied.is_built
    assert copied.get_params() == block.get_params()


def test_a_clone_of_a_built_block_has_its_weights_and_shares_none():
    block = MLPEncoder((8,)).build((3,))
    copied = clone(block)
    assert_same_state(state_of(copied), state_of(block))
    with torch.no_grad():
        copied.layers[0].weight.zero_()
    assert block.layers[0].weight.abs().sum() > 0


def test_set_params_of_an_unbuilt_block():
    block = MLPEncoder().set_params(hidden=(3, 4))
    assert block.hidden == (3, 4)
    with pytest.raises(ValueError, match="Invalid parameter 'hiden'"):
        block.set_params(hiden=(3,))


def test_set_params_of_a_built_block_raises():
    block = MLPEncoder((8,)).build((3,))
    with pytest.raises(ValueError, match=r"MLPEncoder is built.*\['hidden'\]"):
        block.set_params(hidden=(4,))
    assert block.hidden == (8,)
    assert block.set_params() is block


@pytest.mark.parametrize(
    "copier", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))]
)
def test_copies_compute_the_same(copier):
    block = MLPEncoder((8, 2)).build((3,))
    copied = copier(block)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert copied is not block and copied.is_built
    assert torch.equal(copied(x), block(x))


def test_a_template_is_not_a_submodule():
    template = Ridge(3)
    block = Doubled(template)
    assert block.template is template
    assert dict(block.named_modules()).keys() == {""}
    block.build((3,))
    assert {name for name, _ in block.named_children()} == {"first", "second"}
    assert not template.is_built
    assert not torch.equal(block.first.linear.weight, block.second.linear.weight)


def test_a_template_keeps_nested_parameters():
    block = clone(Doubled(Ridge(3)).set_params(template__width=5))
    assert block.template.width == 5
    assert not block.template.is_built


def test_a_built_template_gives_its_weights():
    template = Ridge(3).build((3,))
    block = Doubled(template).build((3,))
    assert torch.equal(block.first.linear.weight, template.linear.weight)
    assert block.first.linear.weight is not template.linear.weight


def test_penalty_is_zero_unless_defined():
    assert MLPEncoder().build((3,)).penalty() == 0
    assert MLPEncoder().penalty().shape == ()


def test_a_block_without_build_raises():
    class Lazy(Block):
        pass

    with pytest.raises(TypeError, match="Lazy must define build"):
        Lazy().build((3,))


def test_a_class_that_defines_own_head_brings_a_head():
    class Own(ConcatFusion):
        def own_head(self):
            return MLPHead()

    assert Own.brings_head and LpNormFusion.brings_head
    assert not ConcatFusion.brings_head


# -- old names ---------------------------------------------------------------------


def test_a_subclass_with_the_old_name_of_no_weight_decay():
    with pytest.warns(FutureWarning, match=r"Own\.undecayed was renamed") as caught:

        class Own(Ridge):
            def undecayed(self):
                return [*super().undecayed(), self.linear.bias]

    assert caught[0].filename == __file__
    block = Own().build((3,))
    with pytest.warns(FutureWarning, match="renamed to no_weight_decay"):
        assert block.no_weight_decay()[0] is block.linear.bias


def test_an_old_name_that_calls_a_parent_with_the_new_one():
    with pytest.warns(FutureWarning, match="undecayed"):

        class Own(NoHarmFusion):
            def undecayed(self):
                return super().undecayed()

    block = Own().build({"a": 2, "b": 2})
    with pytest.warns(FutureWarning, match="undecayed"):
        assert block.no_weight_decay()[0] is block.free


def test_the_old_names_can_still_be_read():
    block = NoHarmFusion().build({"a": 2, "b": 2})
    with pytest.warns(FutureWarning, match="undecayed"):
        assert block.undecayed()[0] is block.free
    with pytest.warns(FutureWarning, match="alone"):
        assert block.alone
    with pytest.warns(FutureWarning, match="alone"):
        assert not BilinearFusion().alone


@pytest.mark.parametrize("cls", [BilinearFusion, ConcatFusion])
def test_the_old_name_of_supports_single_can_be_read_on_a_class(cls):
    with pytest.warns(FutureWarning, match=r"alone was .* removed in 0\.3") as caught:
        assert cls.alone is cls.supports_single
    assert caught[0].filename == __file__


def test_a_subclass_with_the_old_name_of_supports_single():
    with pytest.warns(FutureWarning, match=r"Own\.alone was renamed to supports"):

        class Own(ConcatFusion):
            alone = False

    assert not Own().supports_single and not Own.supports_single
    block = ConcatFusion()
    with pytest.warns(FutureWarning, match="alone"):
        block.alone = False
    assert not block.supports_single


def test_new_names_do_not_warn():
    class Own(ConcatFusion):
        supports_single = False

        def no_weight_decay(self):
            return super().no_weight_decay()

    assert Own().no_weight_decay() == []


@pytest.mark.parametrize("block", [MLPEncoder((7,)), MLPEncoder((7,)).build((2,))])
def test_reprs(block):
    assert repr(block) == "MLPEncoder(hidden=(7,))"
    html = block._repr_html_()
    assert "MLPEncoder" in html and "hidden" in html


# -- one submodule per modality ----------------------------------------------------


def test_per_modality_takes_any_name():
    parts = {name: nn.Linear(1, i + 1) for i, name in enumerate(ODD_NAMES)}
    module = PerModality(parts)
    assert list(module) == ODD_NAMES and len(module) == len(ODD_NAMES)
    assert all(module[name] is part for name, part in parts.items())
    assert module.items() == list(parts.items())
    assert len(list(module.parameters())) == 2 * len(ODD_NAMES)


def test_per_modality_names_do_not_collide():
    names = ["a.b", "a%2Eb", "a%b", "a%25b"]
    module = PerModality({name: nn.Linear(1, 1) for name in names})
    assert len(module.state_dict()) == 2 * len(names)


def test_per_modality_state_can_be_loaded():
    a, b = (PerModality({n: nn.Linear(1, 1) for n in ODD_NAMES}) for _ in range(2))
    b.load_state_dict(a.state_dict())
    assert_same_state(state_of(a), state_of(b))
    assert_same_state(state_of(pickle.loads(pickle.dumps(a))), state_of(a))


@pytest.mark.parametrize("block", [MLPEncoder(), ConcatFusion(), MeanEmbedding()])
def test_blocks_share_no_name_with_modules(block):
    assert not set(block.get_params()) & set(dir(nn.Module))

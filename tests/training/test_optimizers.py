from functools import partial

import pytest
import torch
from torch import nn

from skmm.nn import NoHarmFusion
from skmm.training.optimizers import NAMES, carry_state, make_optimizer, penalised
from tests.toys import Ridge
from tests.training.nets import module as parted


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), Ridge(4).build((4,)), nn.Linear(4, 1))


def step(module, optimizer):
    x = torch.linspace(-1, 1, 15).reshape(5, 3)
    optimizer.zero_grad()
    module(x).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_is_the_class_of_torch(name):
    """One step equals one of the class with its own defaults, without fusing."""
    ours, theirs = network(), network()
    step(ours, make_optimizer(name, ours, 0.01, 0.0))
    plain = NAMES[name](theirs.parameters(), lr=0.01, foreach=False)
    for group in plain.param_groups:  # AdamW decays by default, we do not
        group["weight_decay"] = 0.0
    step(theirs, plain)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_lr_and_decay_arrive(name):
    optimizer = make_optimizer(name, nn.Linear(3, 1), 0.5, 0.25)
    assert all(group["lr"] == 0.5 for group in optimizer.param_groups)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.25]


def test_a_class_or_a_partial():
    momentum = partial(torch.optim.SGD, momentum=0.9)
    optimizer = make_optimizer(momentum, network(), 0.1, 0.0)
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert (
        type(make_optimizer(torch.optim.RAdam, network(), 0.1, 0)) is torch.optim.RAdam
    )


def test_a_partial_may_bring_its_decay():
    own = partial(torch.optim.AdamW, weight_decay=0.3)
    decays = [
        {g["weight_decay"] for g in make_optimizer(own, network(), 0.1, d).param_groups}
        for d in (0.0, 0.2)
    ]
    assert decays == [{0.3, 0.0}, {0.2, 0.0}]  # Ridge does not decay


def test_no_decay_is_no_decay():
    """AdamW of torch decays by default."""
    groups = make_optimizer("adamw", network(), 0.1, 0.0).param_groups
    assert all(group["weight_decay"] == 0 for group in groups)


def test_blocks_with_a_penalty_do_not_decay():
    module = network()
    optimizer = make_optimizer("sgd", module, 0.1, 0.5)
    decay = {
        id(p): group["weight_decay"]
        for group in optimizer.param_groups
        for p in group["params"]
    }
    ridge = {id(p) for p in module[1].parameters()}
    assert len(decay) == 6
    assert all(
        decay[id(p)] == (0.0 if id(p) in ridge else 0.5) for p in module.parameters()
    )


def test_penalised_finds_blocks_that_override_penalty():
    module = network()
    assert penalised(module) == [module[1]]
    assert penalised(nn.Sequential(module[1], module[1])) == [module[1]]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_frozen_parameters_are_left_out(decay):
    module = network()
    module[0].requires_grad_(False)
    optimizer = make_optimizer("adam", module, 0.1, decay)
    ids = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert ids == {id(p) for part in module[1:] for p in part.parameters()}


def test_decay_is_rejected_where_there_is_none():
    with pytest.raises(ValueError, match=r"weight_decay=0.1 is not supported by Rprop"):
        make_optimizer(torch.optim.Rprop, network(), 0.1, 0.1)
    assert make_optimizer(torch.optim.Rprop, network(), 0.1, 0.0)


def test_state_is_carried_and_settings_are_not():
    module = network()
    earlier = make_optimizer("adam", module, 0.1, 0.0)
    step(module, earlier)
    later = make_optimizer("adam", module, 0.5, 0.0)
    carry_state(earlier, later)
    weight = module[0].weight
    torch.testing.assert_close(later.state[weight], earlier.state[weight])
    assert later.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("other", ["sgd", "adagrad", "nadam"])
def test_state_is_not_carried_to_another_kind(other):
    module = network()
    earlier = make_optimizer("adam", module, 0.1, 0.0)
    step(module, earlier)
    later = make_optimizer(other, module, 0.5, 0.0)
    before = len(later.state)
    carry_state(earlier, later)
    assert len(later.state) == before
    assert not any("exp_avg" in state for state in later.state.values())


def test_state_is_not_carried_to_other_parameters():
    module = network()
    earlier = make_optimizer("adam", module, 0.1, 0.0)
    step(module, earlier)
    module[0].requires_grad_(False)
    later = make_optimizer("adam", module, 0.1, 0.0)
    carry_state(earlier, later)
    assert not later.state


def test_rates_and_decays_by_part():
    net = parted()
    optimizer = make_optimizer(
        "adam", net, {"encoders": 0.1, "head": 0.2}, {"encoders__a": 0.5}
    )
    found = {
        id(p): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    wanted = {"encoders__a": (0.1, 0.5), "encoders__b": (0.1, 0.0), "head": (0.2, 0.0)}
    for name, numbers in wanted.items():
        assert all(found[id(p)] == numbers for p in net.parts()[name].parameters())
    assert len(found) == len(list(net.parameters()))


def test_one_rate_makes_one_group():
    assert len(make_optimizer("adam", parted(), 0.1, 0.2).param_groups) == 1


def test_optimizers_without_decay_or_without_groups():
    lbfgs = make_optimizer(torch.optim.LBFGS, parted(), 0.1, 0.0)
    assert len(lbfgs.param_groups) == 1
    with pytest.raises(ValueError, match=r"weight_decay=.*not supported"):
        make_optimizer(torch.optim.LBFGS, parted(), 0.1, {"head": 0.1})


@pytest.mark.parametrize("optimizer", [torch.optim.LBFGS, partial(torch.optim.LBFGS)])
def test_an_optimizer_of_one_rate_says_so(optimizer):
    words = r"lr={'head': 0.1}: LBFGS has one rate.*Use a number, or another.*'adam'"
    with pytest.raises(ValueError, match=words):
        make_optimizer(optimizer, parted(), {"head": 0.1}, 0.0)
    assert len(make_optimizer(optimizer, parted(), {"head": 1e-3}, 0.0).param_groups)


def test_nothing_to_train_is_an_error():
    with pytest.raises(
        ValueError, match="none of the parts to be trained has trainable weights"
    ):
        make_optimizer("adam", nn.Identity(), 0.1, 0.0)


def test_what_a_block_exempts_does_not_decay():
    fusion = NoHarmFusion(width=4).build({"a": 2, "b": 3})
    groups = make_optimizer("adam", fusion, 0.1, 0.5).param_groups
    decays = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert decays.pop(id(fusion.free)) == 0
    assert len(decays) == 4 and set(decays.values()) == {0.5}

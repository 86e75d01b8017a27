"""Dynamic fusion: the gate routes rows, costs count, only the chosen branch runs."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

import skmm
from skmm import DynamicFusionClassifier, FusionClassifier, ModalityDict, nn
from skmm.nn.composite.gated import straight_through
from skmm.nn.flops import operations
from skmm.training import EpochCallback
from tests.toys import assert_same_state, state_of, two_tables, with_holes

FAST = {"max_epochs": 3, "lr": 0.01, "random_state": 0}
X, Y = two_tables(80, classes=3)


def fitted(data=X, y=Y, **params):
    return DynamicFusionClassifier(**{**FAST, **params}).fit(data, y)


@pytest.fixture(scope="module")
def model():
    return fitted(cost_strength=0.0, max_epochs=6)


def test_hard_weights_have_the_gradient_of_the_soft_ones():
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    factor, gradients = torch.arange(18.0).view(6, 3), []
    for make in (straight_through, lambda soft: soft):
        leaf = scores.clone().requires_grad_()
        weights = make(leaf.softmax(-1))
        (weights * factor).sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)
    hard = straight_through(scores.softmax(-1))
    assert torch.equal(hard.sum(1), torch.ones(6))
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(hard.argmax(1), scores.argmax(1))


def test_hard_rows_are_one_hot_and_soft_rows_sum_to_one(model):
    hard, soft = model.gate_weights(X), fitted(gate="soft").gate_weights(X)
    assert set(np.unique(hard)) <= {0.0, 1.0}
    for weights in (hard, soft):
        np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-6)
    assert ((soft > 0) & (soft < 1)).any()
    chosen = [model.branches_[i] for i in hard.argmax(1)]
    assert model.answering_branch(X) == chosen


def counted(model, data):
    """Rows that each branch reads while the model predicts."""
    rows, hooks = [0] * len(model.branches_), []
    for i, branch in enumerate(model.net_.module_.branches):

        def note(part, args, i=i):
            rows[i] += len(next(iter(args[0].values())))

        hooks.append(branch.register_forward_pre_hook(note))
    model.predict(data)
    for hook in hooks:
        hook.remove()
    return rows


def test_hard_inference_runs_the_chosen_branch_alone():
    rng = np.random.default_rng(0)
    data = ModalityDict(a=rng.normal(size=(200, 2)), b=rng.normal(size=(200, 2)))
    data["a"][::2, 1] = 3.0  # says that "a" knows; else "b" does
    y = np.where(data["a"][:, 1] == 3.0, data["a"][:, 0] > 0, data["b"][:, 0] > 0)
    settings = {"branches": [("a",), ("b",)], "costs": {("a",): 1, ("b",): 1}}
    routing = fitted(data, y, max_epochs=15, cost_strength=0.0, **settings)
    expected = routing.gate_weights(data).sum(0).astype(int).tolist()
    assert counted(routing, data) == expected
    assert min(expected) > 20
    soft = fitted(data, y, gate="soft", **settings)
    assert counted(soft, data) == [200, 200]


def test_hard_answers_are_those_of_the_branch(model):
    module, weights = model.net_.module_.eval(), model.gate_weights(X)
    rows = {name: torch.tensor(X[name]).float() for name in X}
    with torch.no_grad():
        said = torch.stack(
            [
                branch({name: rows[name] for name in names}).softmax(1)
                for names, branch in zip(model.branches_, module.branches, strict=True)
            ],
            1,
        ).numpy()
    expected = (said * weights[..., None]).sum(1)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-5)


def test_a_high_price_routes_everything_to_the_cheapest():
    dear = fitted(cost_strength=1e4, max_epochs=10)
    cheapest = min(dear.costs_, key=dear.costs_.get)
    assert set(dear.answering_branch(X)) == {cheapest}
    assert dear.expected_cost_ == pytest.approx(min(dear.costs_.values()))


def test_without_a_price_rows_go_to_a_perfect_expert():
    rng = np.random.default_rng(1)
    data = ModalityDict(a=rng.normal(size=(150, 5)), b=np.zeros((150, 2)))
    data["b"][:, 0] = np.sign(data["a"][:, 0] * data["a"][:, 1])
    free = {"branches": [("a",), ("b",)], "cost_strength": 0.0, "max_epochs": 15}
    model = fitted(data, data["b"][:, 0] > 0, **free, encoders=nn.MLPEncoder((2,)))
    share = np.mean([branch == ("b",) for branch in model.answering_branch(data)])
    assert share > 0.95
    assert model.score(data, data["b"][:, 0] > 0) > 0.95


def test_cost_falls_as_its_price_rises():
    rng = np.random.default_rng(0)
    data = ModalityDict(a=rng.normal(size=(200, 2)), b=rng.normal(size=(200, 2)))
    y = data["a"][:, 0] + data["b"][:, 0] > 0
    settings = {"branches": [("a",), ("a", "b")], "gate": "soft", "max_epochs": 12}
    costs = [
        fitted(data, y, cost_strength=strength, **settings).expected_cost_
        for strength in (0.0, 0.3, 3.0)
    ]
    assert costs[0] > costs[1] > costs[2]


def test_costs_are_operations(model):
    module = model.net_.module_
    shapes = {"a": (3,), "b": (5,)}
    for branch, own in zip(model.branches_, module.branches, strict=True):
        layers = [m for m in own.modules() if isinstance(m, torch.nn.Linear)]
        expected = 2 * sum(layer.weight.numel() for layer in layers)
        assert operations(own, shapes) == expected
        most = operations(module.branches[-1], shapes)
        assert model.costs_[branch] == pytest.approx(expected / most)
    assert model.expected_cost(X) == pytest.approx(model.expected_cost_)


def test_the_gate_costs_in_the_unit_of_the_branches(model):
    module, shapes = model.net_.module_, {"a": (3,), "b": (5,)}
    for branch, own in zip(model.branches_, module.branches, strict=True):
        ratio = operations(module.gate, shapes) / operations(own, shapes)
        assert model.gate_cost_ / model.costs_[branch] == pytest.approx(ratio)


def test_recurrent_layers_count():
    text = ModalityDict(t=["abc", "de"] * 20, b=X["b"][:40])
    reader = {"t": nn.LSTMEncoder()}
    costs = fitted(text, Y[:40], encoders=reader, max_epochs=1).costs_
    lstm = nn.LSTMEncoder().build(())
    layers = [m for m in lstm.modules() if isinstance(m, torch.nn.RNNBase)]
    weights = sum(p.numel() for part in layers for p in part.parameters() if p.ndim > 1)
    module = FusionClassifier(reader, **FAST).prepare(text[["t"]], Y[:40]).module
    assert operations(module, {"t": ()}) >= 2 * 8 * weights
    assert costs[("t",)] > 5 * costs[("b",)]


def test_given_costs():
    costs = {("a",): 2, ("b",): 4, ("b", "a"): 8}
    model = fitted(costs=costs)
    assert model.costs_ == {("a",): 0.25, ("b",): 0.5, ("a", "b"): 1.0}
    assert np.isnan(model.gate_cost_)
    for wrong in ({("a",): 1}, {**costs, ("a",): -1}, {**costs, ("b",): np.inf}):
        with pytest.raises(ValueError, match="costs must have"):
            fitted(costs=wrong)
    with pytest.raises(ValueError, match=r"unknown branches \[\('a', 'b'\)\]"):
        fitted(branches=[("a",), ("b",)], costs=costs)
    with pytest.raises(ValueError, match="costs: unknown modality 'c'"):
        fitted(costs={**costs, ("c",): 1})
    one = skmm.restrict(DynamicFusionClassifier(**FAST, costs=costs), ["a"])
    assert one.fit(X, Y).costs_ == {("a",): 1.0}


def test_frozen_branches_are_nets_trained_alone():
    """The first stage of every branch is its own loss; the second moves the gate."""
    model = fitted(training="frozen")
    assert model.history_["stage"].tolist() == [1] * 3 + [2] * 3
    start = DynamicFusionClassifier(**FAST).prepare(X, Y).module.parts()
    parts = model.net_.module_.parts()
    for name in "ab":
        one = X.select([name])
        alone = FusionClassifier(**FAST).fit(one, Y).net_.module_
        assert_same_state(state_of(alone), state_of(parts[f"experts__{name}"]))
    moved = zip(parts["gate"].parameters(), start["gate"].parameters(), strict=True)
    assert any(not torch.equal(p, q) for p, q in moved)


def temperature_of(model):
    return model.net_.module_.temperature.item()


@pytest.mark.parametrize("temperature", [0.2, 4.0])
def test_soft_weights_are_scores_over_the_temperature(temperature):
    ends = {"temperature": temperature, "final_temperature": temperature}
    model = fitted(gate="soft", **ends)
    rows = {name: torch.tensor(X[name]).float() for name in X}
    with torch.no_grad():
        scores = model.net_.module_.gate.eval()(rows).double().numpy()
    expected = softmax(scores / temperature, axis=1)
    np.testing.assert_allclose(model.gate_weights(X), expected, atol=1e-5)


@pytest.mark.parametrize("training", ["two_stage", "frozen"])
def test_temperature_falls_in_every_stage(training):
    ends, seen = {"temperature": 4.0, "final_temperature": 0.25}, []
    note = EpochCallback(lambda net: seen.append(net.module_.temperature.item()))
    fitted(**ends, training=training, callbacks=[note])
    np.testing.assert_allclose(seen, [4.0, 1.0, 0.25] * 2, rtol=1e-6)


def test_temperature_falls_to_its_end():
    ends = {"temperature": 2.0, "final_temperature": 0.5}
    for epochs in (1, 3):
        model = fitted(**ends, max_epochs=epochs)
        assert temperature_of(model) == pytest.approx(0.5)
    constant = fitted(temperature=3.0, final_temperature=3.0)
    assert temperature_of(constant) == pytest.approx(3.0)


def test_temperature_goes_on_in_partial_fits():
    ends = {"temperature": 4.0, "final_temperature": 1.0}
    model, seen = DynamicFusionClassifier(**FAST, **ends), []
    for _ in range(4):
        seen.append(temperature_of(model.partial_fit(X, Y)))
    np.testing.assert_allclose(seen, [4.0, 2.0, 1.0, 1.0], rtol=1e-6)
    assert temperature_of(fitted(**ends).partial_fit(X, Y)) == pytest.approx(1.0)


def test_branches_learn_for_themselves_first_also_when_fitting_goes_on():
    weighs = []
    note = EpochCallback(lambda net: weighs.append(bool(net.module_.gating)))
    model = fitted(callbacks=[note], max_epochs=2, warm_start=True).fit(X, Y)
    assert weighs == [False, False, True, True] * 2
    assert model.net_.module_.gating


def test_missing_modalities_close_their_branches():
    lacking = with_holes(X)
    for gate in ("hard", "soft"):
        weights = fitted(lacking, gate=gate).gate_weights(lacking)
        for i, name in enumerate("ab"):
            other = "ba"[i]
            gone = ~lacking.present[name] & lacking.present[other]
            assert not weights[gone, i].any()
        np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-6)


def test_branches_do_not_learn_from_rows_that_they_cannot_read():
    lacking = with_holes(X)
    gone = ~lacking.present["a"] & lacking.present["b"]
    wrong = np.where(gone, (Y + 1) % 3, Y)
    parts = [
        fitted(lacking, y, training="frozen").net_.module_.parts() for y in (Y, wrong)
    ]
    for name, same in (("a", True), ("b", False)):
        pairs = zip(
            *(each[f"experts__{name}"].parameters() for each in parts), strict=True
        )
        equal = [torch.equal(*pair) for pair in pairs]
        assert all(equal) if same else not any(equal)


def test_before_the_gate_learns_open_branches_have_equal_weights():
    lacking = with_holes(X)
    model = fitted(lacking)
    model.net_.module_.gating.fill_(False)
    expected = np.ones((80, 3))
    for i, name in enumerate("ab"):
        expected[~lacking.present[name] & lacking.present["ba"[i]], i] = 0.0
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(model.gate_weights(lacking), expected, rtol=1e-6)


def test_saved_and_loaded(tmp_path):
    for params in ({}, {"gate": "soft", "training": "joint"}):
        model = fitted(**params)
        model.save(tmp_path / "model")
        again = skmm.load(tmp_path / "model")
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(again.gate_weights(X), model.gate_weights(X))
        assert again.costs_ == model.costs_
        assert again.expected_cost_ == model.expected_cost_


def test_partial_fit_trains_all_parts():
    model = DynamicFusionClassifier(**FAST)
    model.partial_fit(X, Y).partial_fit(X, Y)
    assert model.n_iter_ == 2
    assert model.net_.module_.gating


def test_branches_are_checked():
    assert fitted(branches=["b", ("b", "a")]).branches_ == [("b",), ("a", "b")]
    with pytest.raises(ValueError, match=r"none of the branches has \['b'\]"):
        fitted(branches=[("a",)])
    with pytest.raises(ValueError, match=r"branches.*'c'"):
        fitted(branches=[("a",), ("c", "b")])
    with pytest.raises(ValueError, match="gate_encoders"):
        fitted(gate_encoders={"c": nn.MLPEncoder()})
    with pytest.raises(ValueError, match="temperature"):
        fitted(temperature=0.0)


def test_restricted():
    one = skmm.restrict(DynamicFusionClassifier(**FAST), ["a"]).fit(X, Y)
    assert one.branches_ == [("a",)]
    assert one.costs_ == {("a",): 1.0}
    assert one.expected_cost_ == 1.0
    none = DynamicFusionClassifier(**FAST, branches=[("a",), ("a", "b")])
    with pytest.raises(ValueError, match=r"modalities in use, \['b'\]"):
        skmm.restrict(none, ["b"]).fit(X, Y)

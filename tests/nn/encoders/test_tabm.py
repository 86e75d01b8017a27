import pytest
import tabm
import torch
from sklearn.utils._param_validation import InvalidParameterError

import skmm
from skmm.nn import MLPEncoder, TabMEncoder
from skmm.nn.encoders.tabm import MemberScale, SharedLinear
from skmm.training.optimizers import no_weight_decay

X = torch.randn(7, 5)


@pytest.mark.parametrize("mini", [False, True])
def test_members_are_those_of_the_authors_package(mini):
    torch.manual_seed(0)
    encoder = TabMEncoder((6, 6), n_members=3, mini=mini).build((5,))
    peer = tabm.make_tabm_backbone(
        d_in=5,
        n_blocks=2,
        d_block=6,
        dropout=0.0,
        k=3,
        arch_type="tabm-mini" if mini else "tabm",
        start_scaling_init="random-signs",
        start_scaling_init_chunks=[1] * 5,
    )
    scales = [m.scale for m in encoder.layers if isinstance(m, MemberScale)]
    linears = [m.linear for m in encoder.layers if isinstance(m, SharedLinear)]
    with torch.no_grad():
        for scale in scales:  # so that no factor is one
            scale.weight.uniform_(0.5, 2.0)
        if mini:
            peer.affine.weight.copy_(scales[0].weight[:, 0])
        for i, (block, linear) in enumerate(zip(peer.blocks, linears, strict=True)):
            block[0].weight.copy_(linear.weight)
            if mini:
                block[0].bias.copy_(linear.bias)
                continue
            block[0].r.copy_(scales[2 * i].weight[:, 0])
            block[0].s.copy_(scales[2 * i + 1].weight[:, 0])
            block[0].bias.copy_(scales[2 * i + 1].bias[:, 0])
    found = encoder.members(X)
    torch.testing.assert_close(found, peer(tabm.ensemble_view(X, 3, training=True)))
    assert torch.equal(encoder(X), found.flatten(1))


@pytest.mark.parametrize("mini", [False, True])
def test_without_signs_all_members_start_as_one_mlp(mini):
    encoder = TabMEncoder((6, 4), n_members=3, mini=mini, pooling="mean").build((5,))
    with torch.no_grad():
        encoder.layers[0].scale.weight.fill_(1.0)
    members = encoder.members(X)
    torch.testing.assert_close(members, members[:, :1].expand_as(members))
    mlp, linears = MLPEncoder((6, 4)).build((5,)), encoder.layers
    linears = [m.linear for m in linears if isinstance(m, SharedLinear)]
    biases = [m.scale.bias for m in encoder.layers if isinstance(m, MemberScale)]
    biases = [bias[0, 0] for bias in biases if bias is not None]
    biases = [linear.bias for linear in linears] if mini else biases
    with torch.no_grad():
        for place, linear, bias in zip((0, 2), linears, biases, strict=True):
            mlp.layers[place].weight.copy_(linear.weight)
            mlp.layers[place].bias.copy_(bias)
    torch.testing.assert_close(encoder(X), mlp(X))


def test_pooling():
    torch.manual_seed(0)
    both = (
        TabMEncoder((6,), n_members=3),
        TabMEncoder((6,), n_members=3, pooling="mean"),
    )
    concat, mean = (encoder.build((5,)) for encoder in both)
    mean.load_state_dict(concat.state_dict())
    assert (concat.out_features, mean.out_features) == (18, 6)
    assert torch.equal(concat(X).view(7, 3, 6), concat.members(X))
    torch.testing.assert_close(mean(X), concat.members(X).mean(1))


def test_members_start_with_random_signs():
    encoder = TabMEncoder(n_members=40).build((50,))
    first, second = (m.scale for m in encoder.layers if isinstance(m, MemberScale))
    assert {*first.weight.flatten().tolist()} == {-1.0, 1.0}
    assert abs(first.weight.mean()) < 0.1
    assert (second.weight == 1).all()
    assert encoder.members(torch.randn(2, 50)).std(1).mean() > 0.05


def test_scales_do_not_decay_but_all_else_does():
    encoder = TabMEncoder((6, 6), n_members=3).build((5,))
    exempt = {id(p) for p in no_weight_decay(encoder)}
    names = {n for n, p in encoder.named_parameters() if id(p) in exempt}
    scales = {n for n, _ in encoder.named_parameters() if n.endswith("scale.weight")}
    assert names == scales
    assert len(names) == 4


@pytest.mark.parametrize("mini", [False, True])
def test_number_of_parameters(mini):
    encoder = TabMEncoder((6,), n_members=3, mini=mini).build((5,))
    shared, own = (5 * 6 + 6, 3 * 5) if mini else (5 * 6, 3 * (5 + 6 + 6))
    assert sum(p.numel() for p in encoder.parameters()) == shared + own


def test_dropout_differs_between_members():
    torch.manual_seed(0)
    encoder = TabMEncoder((50,), n_members=2, dropout=0.5).build((5,)).train()
    zeros = encoder.members(torch.ones(1, 5)) == 0
    assert not torch.equal(zeros[0, 0], zeros[0, 1])
    assert torch.equal(encoder.eval()(X), encoder(X))


def test_images_are_flattened_and_samples_independent():
    encoder, x = TabMEncoder((8,)).build((1, 2, 3)), torch.randn(4, 1, 2, 3)
    assert encoder(x).shape == (4, 16 * 8)
    torch.testing.assert_close(encoder(x)[1:3], encoder(x[1:3]))


def test_it_learns():
    X, y = skmm.datasets.make_multimodal_classification(200, random_state=0)
    model = skmm.FusionClassifier(TabMEncoder((16,)), random_state=0)
    assert model.set_params(max_epochs=30).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("bad", [{"n_members": 0}, {"mini": 2}, {"pooling": "sum"}])
def test_parameters_are_checked(bad):
    with pytest.raises(InvalidParameterError, match=next(iter(bad))):
        TabMEncoder(**bad)._validate_params()

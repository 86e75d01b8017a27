import numpy as np
import pytest
from torch import nn

from skmm.training.optimizers import matching, parts_of, per_part
from tests.training.nets import module

DECAY = ("weight_decay", "of at least 0")
ALL = ["encoders__a", "encoders__b", "fusion", "head"]


def test_names_of_parts():
    net = module()
    assert list(parts_of(net)) == ALL
    assert parts_of(net)["encoders__b"] is net.encoders["b"]
    assert list(parts_of(nn.Linear(1, 1))) == [""]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("all", ALL),
        ("encoders", ALL[:2]),
        ("encoders__b", ["encoders__b"]),
        ("head", ["head"]),
    ],
)
def test_what_a_name_means(name, found):
    assert matching(module(), name, "train") == found


@pytest.mark.parametrize("name", ["encoder", "encoders__c", "a", "", "head__a"])
def test_unknown_names_are_rejected_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"lr: unknown part .*'encoders', 'fusion'"):
        matching(module(), name, "lr")


def test_numbers_of_parts():
    assert per_part(module(), 0.5, 1, "lr") == dict.fromkeys(ALL, 0.5)
    given = {"encoders__a": 3.0, "encoders": 2.0, "head": 4.0}
    for order in (given, dict(reversed(given.items()))):  # one part before its kind
        assert per_part(module(), order, 1, "lr") == dict(
            zip(ALL, [3.0, 2.0, 1, 4.0], strict=True)
        )


@pytest.mark.parametrize("value", [0, -1.0, "1", None, True, np.inf, np.nan])
def test_wrong_learning_rates(value):
    with pytest.raises(
        ValueError, match=r"lr\['head'\] must be a finite number above 0"
    ):
        per_part(module(), {"head": value}, 1e-3, "lr")


def test_a_decay_may_be_zero():
    assert per_part(module(), {"head": 0}, 0.0, *DECAY)["head"] == 0
    with pytest.raises(ValueError, match="of at least 0; got -1"):
        per_part(module(), {"head": -1}, 0.0, *DECAY)

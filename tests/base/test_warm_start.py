from types import SimpleNamespace

import pytest

from skmm.base.warm_start import check_same_structure

FIRST = {"fusion": "0", "head": "1"}


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (FIRST | {"fusion": "2"}, "fusion"),
        (FIRST | {"head__hidden": "2"}, "head__hidden"),
        ({"head": "1"}, "fusion"),
        ({"fusion": "2", "head": "1", "head__hidden": "0"}, "fusion, head__hidden"),
    ],
    ids=["changed", "new", "removed", "two"],
)
def test_parameters_that_changed_are_named(now, names):
    estimator = SimpleNamespace(_structure_digests=lambda: now, _structure=FIRST)
    with pytest.raises(ValueError, match=f"^{names} changed since the first fit"):
        check_same_structure(estimator)


def test_the_same_structure_is_accepted():
    estimator = SimpleNamespace(
        _structure_digests=lambda: dict(FIRST), _structure=FIRST
    )
    check_same_structure(estimator)

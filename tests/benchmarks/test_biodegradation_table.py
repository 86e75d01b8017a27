"""The statistics of the biodegradation benchmark, on pairs whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.biodegradation import table


def pairs(**errors):
    """Pairs of some methods, whose errors are lists over seeds."""
    return [
        {
            "method": method,
            "seed": seed,
            "test": e,
            "validation": e / 2,
            "lambda": np.nan,
        }
        for method, values in errors.items()
        for seed, e in enumerate(values)
    ]


def test_interval_is_that_of_the_paired_t_test():
    one, other = np.random.default_rng(0).normal(size=(2, 9))
    found = table.mean_and_interval(one - other)
    expected = stats.ttest_rel(one, other)
    interval = expected.confidence_interval()
    assert found["lower"] == pytest.approx(interval.low)
    assert found["upper"] == pytest.approx(interval.high)
    assert found["mean"] / found["error"] == pytest.approx(expected.statistic)
    assert found["corrected"] > found["error"]


def test_differences_are_taken_seed_by_seed():
    # The seeds differ much, the methods always by 0.01.
    errors = {"descriptors": [0.1, 0.3, 0.2], "image": [0.11, 0.31, 0.21]}
    baseline, image = table.table(pairs(**errors)[::-1], errors)
    assert (baseline["difference"], baseline["paired_SE"]) == (0, 0)
    assert (image["difference"], image["paired_SE"]) == (0.01, 0)
    assert image["test_SE"] > 0.05
    assert image["validation"] == pytest.approx(image["test"] / 2)


@pytest.mark.parametrize(
    "values, less, inside",
    [
        ([-0.5, -0.6, -0.55], "holds", "opposite"),
        ([0.5, 0.6, 0.55], "opposite", "opposite"),
        ([0.001, -0.001, 0.0], "not significant", "holds"),
        ([0.5, -0.5, 0.1], "not significant", "not significant"),
    ],
)
def test_verdicts(values, less, inside):
    assert table.less("a claim", values)["here"] == less
    assert table.inside("a claim", values, -0.1, 0.1)["here"] == inside

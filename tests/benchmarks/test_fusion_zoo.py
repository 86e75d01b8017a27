"""What the table of the fusion zoo counts, and how its tokens are made."""

import numpy as np
import pytest

from benchmarks.fusion_zoo import table, tokens


def test_what_is_claimed_alone_has_no_rank():
    few = {"seed": 0, "train": 0.1, "interactions": 0.5, "parameters": 1}
    few |= {"seconds_per_epoch": 0.1}
    rows = [
        few | {"configuration": case, "method": method, "loss": loss, "error": loss}
        for case, loss in (("xor", 0.2), ("xor, 2,000 rows", 0.01))
        for method in ("bilinear", "single: a")
    ]
    (only,) = [one for one in table.table(rows) if one["method"] == "bilinear"]
    assert only["loss: xor"] == 0.2 and "loss: xor, 2,000 rows" not in only
    claimed = {one["rows"]: one for one in table.claims(rows)}
    assert claimed[1000]["met"] == "no" and claimed[2000]["met"] == "yes"


def test_ranks_are_surer_with_the_same_seeds_than_with_noise():
    rng = np.random.default_rng(0)

    def frame(noise):
        rows = [
            {"configuration": case, "seed": seed, "method": method}
            | {"loss": loss + noise * rng.normal()}
            for case in ("xor", "additive")
            for seed in range(5)
            for method, loss in (("a", 0.1), ("b", 0.2), ("single: x", 0.3))
        ]
        return table.frame_of(rows)

    sure, unsure = (table.uncertainty(frame(noise), 50) for noise in (0.0, 0.5))
    assert (sure["se of rank"] == 0).all()
    assert sure["ahead of first %"].to_dict() == {"a": 0, "b": 0, "best single": 0}
    assert (unsure["se of rank, seeds"] > 0.1).all()


def test_test_rows_do_not_standardise():
    part = np.r_[np.arange(10.0), 1e6]
    scaled = tokens.standardised(part, np.arange(10))
    assert scaled[:10].mean() == pytest.approx(0) and scaled[10] > 1e5
    assert scaled[:10].std() == pytest.approx(1)

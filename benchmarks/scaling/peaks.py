"""Peak memory of a fit and of a prediction, each in a fresh process."""

import numpy as np

from benchmarks.common import row
from benchmarks.scaling.memory import forget_peak, in_fresh_process, taken
from benchmarks.scaling.nets import ROW_BYTES, WIDE, make_data, ours

PEAKS = {
    "fit, float32": {},
    "fit, float32, early stopping": {"early_stopping": True},
    "fit, float32, a tenth missing": {"missing": True},
    "fit, float64 of the user not counted": {"dtype": np.float64},
    "the same, early stopping": {"dtype": np.float64, "early_stopping": True},
    "the same, a tenth missing": {"dtype": np.float64, "missing": True},
    "predict_proba, float32": {"predict": True},
}


def peak_ratio(n_rows, dtype=np.float32, early_stopping=False, missing=False, **task):
    """(Peak above a process that fitted 10 rows) / (bytes of tensors and net).

    Tensors of float32 share the memory of the arrays, which so count once, unless
    rows are missing, whose zeros need a copy. The net counts four times: weights,
    gradients, two moments.
    """
    predict = task.get("predict", False)
    model = ours(2, early_stopping=early_stopping)
    model.fit(*make_data(10, WIDE, dtype)).predict_proba(make_data(10, WIDE)[0])
    before = taken("VmRSS")
    X, y = make_data(n_rows, WIDE, dtype)
    not_ours = sum(v.nbytes for v in X.values()) * (missing or dtype == np.float64)
    if missing:
        tenth = n_rows // 10
        X = X.with_missing("a", slice(tenth)).with_missing("b", slice(-tenth, None))
    forget_peak()
    model.predict_proba(X) if predict else model.fit(X, y)
    peak = taken("VmHWM") - before - not_ours
    net = sum(p.nbytes for p in model.net_.module_.parameters())
    tensors = n_rows * ROW_BYTES + (net if predict else y.nbytes + 4 * net)
    return peak / tensors


def peak_of_case(n_rows, case):
    return peak_ratio(n_rows, **PEAKS[case])


def peaks(quick):
    """Peak memory of a fit and of a prediction."""
    n_rows, size = (100_000, 100) if quick else (200_000, 200)
    return [
        row(
            "peak / (data + net)",
            f"{case}, {size} MB",
            in_fresh_process(peak_of_case, n_rows, case),
            1.5,
        )
        for case in PEAKS
    ]

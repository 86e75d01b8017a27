"""What the no-harm table says of pairs (method, best single b): rates, tails, means.

A *pair* is a dict with ``loss`` and ``reference_loss`` on the same test rows, the
``standard_error`` of their paired difference, ``test_rows``, and what it is of:
``configuration``, ``kind``, ``n``, ``method``, ``fits``, ``seconds``.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

LEAST_CHANGE, STANDARD_ERRORS = 0.01, 2  # of what counts as harm or gain
SMALLEST = 1e-15  # probability
BUCKETS = {
    "all": (0, np.inf),
    "n <= 100": (0, 100),
    "n 101-400": (101, 400),
    "n > 400": (401, np.inf),
}


def row_losses(y, predicted):
    """Log-loss of every row for probabilities (n, classes), else squared error.

    Probabilities are clipped and made to sum to one, as scikit-learn does.
    """
    if predicted.ndim == 1:
        return (y - predicted) ** 2
    p = predicted.clip(SMALLEST, 1 - SMALLEST)
    return -np.log(p[np.arange(len(y)), y] / p.sum(1))


def compare(losses, reference):
    """Means of two losses on the same rows, and how sure their difference is."""
    difference = losses - reference
    return {
        "loss": float(losses.mean()),
        "reference_loss": float(reference.mean()),
        "standard_error": float(difference.std(ddof=1) / np.sqrt(len(difference))),
        "test_rows": len(losses),
    }


def with_verdicts(pairs):
    """DataFrame of pairs with ``change`` (relative), ``harmed`` and ``gained``."""
    frame = pd.DataFrame(pairs)
    difference = frame["loss"] - frame["reference_loss"]
    frame["change"] = difference / frame["reference_loss"]
    sure = difference.abs() > STANDARD_ERRORS * frame["standard_error"]
    frame["harmed"] = sure & (frame["change"] > LEAST_CHANGE)
    frame["gained"] = sure & (frame["change"] < -LEAST_CHANGE)
    return frame


def exact_interval(count, total):
    """Clopper-Pearson interval of a share, 95 %."""
    interval = binomtest(int(count), int(total)).proportion_ci(method="exact")
    return interval.low, interval.high


def clustered_interval(hits, clusters, draws=2000, seed=0):
    """95 % interval of the share of hits; whole clusters are drawn anew.

    Pairs of one configuration resemble each other. Without any hit it is (0, 0), which
    says nothing: then look at the exact one.
    """
    counts = pd.DataFrame({"hits": hits, "of": clusters}).groupby("of")["hits"]
    hit, size = counts.sum().to_numpy(), counts.size().to_numpy()
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(hit), size=(draws, len(hit)))
    shares = hit[drawn].sum(1) / size[drawn].sum(1)
    return tuple(float(bound) for bound in np.quantile(shares, [0.025, 0.975]))


def mean_reduction(frame):
    """By how much the loss is smaller, as a geometric mean; NaN without pairs."""
    if frame.empty:
        return np.nan
    return float(-np.expm1(np.log1p(frame["change"]).mean()))


def statistics(frame):
    """One row of the table, in percent, of the pairs of one method."""
    harmed, change = frame["harmed"], frame["change"]
    low, high = exact_interval(harmed.sum(), len(frame))
    c_low, c_high = clustered_interval(harmed, frame["configuration"])
    largest = change.idxmax()
    kind = frame["kind"]
    shares = {
        "harm": harmed.mean(),
        "low": low,
        "high": high,
        "clustered low": c_low,
        "clustered high": c_high,
        "worst harm": change[harmed].max() if harmed.any() else 0.0,
        "regret": change.clip(lower=0).mean(),
        "worse": (change > 0).mean(),
        "worse by 1": (change > LEAST_CHANGE).mean(),
        "95th": change.quantile(0.95),
        "largest": change[largest],
        "gained": frame["gained"].mean(),
        "gain": mean_reduction(frame[kind == "complementary"]),
        "rest": mean_reduction(frame[kind.isin(["redundant", "noise"])]),
    }
    row = {f"{name} %": round(100 * float(share), 2) for name, share in shares.items()}
    return {
        "pairs": len(frame),
        **row,
        "test rows of largest": int(frame["test_rows"][largest]),
        "fits": round(frame["fits"].mean(), 1),
        "seconds": round(frame["seconds"].mean(), 2),
    }


def table(pairs, methods):
    """Rows of `statistics`: all methods on all pairs, then by the number of rows."""
    frame = with_verdicts(pairs)
    rows = []
    for bucket, (least, most) in BUCKETS.items():
        inside = frame[frame["n"].between(least, most)]
        for method in methods:
            part = inside[inside["method"] == method]
            if len(part):
                rows.append({"n": bucket, "method": method, **statistics(part)})
    return rows


def goals(rows, method="crossfit, z = 1"):
    """What is wanted of the guarded fusion, what was reached, and whether it is met."""
    of = {row["method"]: row for row in rows if row["n"] == "all"}
    if method not in of:
        return []
    own = of[method]
    kept = round(100 * own["gain %"] / of["ungated residual"]["gain %"], 1)
    wanted = [
        ("harm %", own["harm %"], 1.0, True),
        ("upper bound of harm %", own["high %"], 2.0, True),
        ("worst harm %", own["worst harm %"], 5.0, True),
        ("regret %", own["regret %"], 0.3, True),
        ("gain %", own["gain %"], 15.0, False),
        ("gain %, share of the ungated", kept, 70.0, False),
        ("rest %", own["rest %"], 0.0, False),
    ]
    return [_goal(*goal) for goal in wanted]


def _goal(name, reached, wanted, at_most):
    met = reached <= wanted if at_most else reached >= wanted
    sign = "<=" if at_most else ">="
    return {
        "goal": name,
        "reached": reached,
        "wanted": f"{sign} {wanted}",
        "met": "yes" if met else "no",
    }

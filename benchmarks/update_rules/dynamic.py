"""A gate that counts what an answer costs: accuracy against cost, rows read, time.

What is "chosen" was chosen on a fifth of the training rows, set aside while nets learnt
the others: the cheapest whose accuracy there is within a standard error of the best.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.common import alternating_medians, row
from skmm import DynamicFusionClassifier, FusionClassifier, ModalityDict, restrict
from skmm.datasets import fetch_avmnist
from skmm.nn import MLPEncoder

GENERATED, DIGITS = "easy and hard rows", "digits, small and large"
STRENGTHS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)  # of rows that a cascade passes on
SETTINGS = {"lr": 3e-3, "batch_size": 128, "max_epochs": 20}
ENCODERS = {"cheap": MLPEncoder((16,)), "dear": MLPEncoder((256, 256))}
CHEAP, FULL = ("cheap",), ("cheap", "dear")


def easy_and_hard(seed, train=3000, test=3000):
    """A large number tells the class; where it is small, a product of two others."""
    rng = np.random.default_rng(seed)
    cheap, dear = (rng.normal(size=(train + test, width)) for width in (4, 16))
    easy = np.abs(cheap[:, 0]) > 0.6
    y = np.where(easy, cheap[:, 0], dear[:, 0] * dear[:, 1]) > 0
    X = ModalityDict(cheap=cheap, dear=dear)
    return (X[:train], y[:train]), (X[train:], y[train:])


def small_and_large_digits(seed):
    """Images of digits, of 4 x 4 and of 28 x 28 pixels."""
    X, y = fetch_avmnist(return_X_y=True)
    images = np.asarray(X["image"], np.float64).reshape(len(y), 28, 28)
    small = images.reshape(len(y), 4, 7, 4, 7).mean((2, 4)).reshape(len(y), -1)
    parts = {"cheap": small, "dear": images.reshape(len(y), -1)}
    train, test = train_test_split(
        np.arange(len(y)), test_size=0.5, stratify=y, random_state=seed
    )
    parts = {
        name: StandardScaler().fit(part[train]).transform(part)
        for name, part in parts.items()
    }
    X = ModalityDict(parts)
    return (X[train], y[train]), (X[test], y[test])


PROBLEMS = {GENERATED: easy_and_hard, DIGITS: small_and_large_digits}


def configurations(quick, available):
    """Names of what is run."""
    return [GENERATED] if quick else list(available(PROBLEMS))


def run(problem, seed):
    """Results of all gates and prices, and of what they are compared with."""
    train, test = PROBLEMS[problem](seed)
    found = results_of(train, test, seed, ("hard", "soft"))
    learnt, aside = set_aside(train, seed)
    tried = results_of(learnt, aside, seed, ("hard",))
    kinds = ("hard gate", "cascade")
    return found + [chosen(kind, tried, found, len(aside[1])) for kind in kinds]


def results_of(train, test, seed, gates):
    """Results of nets, gates and cascades that learn some rows and are asked others."""
    full = FusionClassifier(ENCODERS, random_state=seed, **SETTINGS).fit(*train)
    cheap = restrict(full, ["cheap"]).fit(*train)
    gated = [
        gate_result(gate, strength, seed, train, test, full)
        for gate in gates
        for strength in STRENGTHS
    ]
    return gated + plain_results(cheap, full, test, gated[0]["cheap"])


def set_aside(train, seed):
    """A fifth of the training rows apart: ``(X, y), (X, y)``."""
    X, y = train
    rows = np.arange(len(y))
    learnt, aside = train_test_split(rows, test_size=0.2, stratify=y, random_state=seed)
    return (X[learnt], y[learnt]), (X[aside], y[aside])


def chosen(kind, tried, found, count):
    """The result in `found` of what is cheap and good enough in `tried`."""
    some = [one for one in tried if one["method"].startswith(kind)]
    best = max(one["accuracy"] for one in some)
    least = best - np.sqrt(best * (1 - best) / count)
    good = [one for one in some if one["accuracy"] >= least]
    method = min(good, key=lambda one: one["paid"])["method"]
    result = next(one for one in found if one["method"] == method)
    setting = method.removeprefix(f"{kind}, ")
    return result | {"method": f"chosen {kind}", "chosen": setting}


def gate_result(gate, strength, seed, train, test, full):
    """Accuracy, cost, rows read by the large net, and time, of one gate."""
    model = DynamicFusionClassifier(
        ENCODERS,
        branches=[CHEAP, FULL],
        gate=gate,
        cost_strength=strength,
        gate_encoders=MLPEncoder((8,)),
        random_state=seed,
        **SETTINGS,
    ).fit(*train)
    X, y = test
    asked = sum(branch == FULL for branch in model.answering_branch(X))
    tasks = {"gated": lambda: model.predict(X), "full": lambda: full.predict(X)}
    seconds = alternating_medians(tasks, 5, time.process_time)
    return {
        "method": f"{gate} gate, {strength:g}",
        "accuracy": model.score(X, y),
        "cost": model.expected_cost(X),
        "cheap": model.costs_[CHEAP],
        "paid": model.gate_cost_ + read_cost(model, X, gate),
        "share": asked / len(y),
        "unread": asked - rows_read(model, X) if gate == "hard" else np.nan,
        "time": seconds["gated"] / seconds["full"],
    }


def read_cost(model, X, gate):
    """Mean cost of the branches that are run: all of them with a soft gate."""
    return model.expected_cost(X) if gate == "hard" else sum(model.costs_.values())


def rows_read(model, X):
    """How many rows the large encoder sees in a prediction."""
    counts = []
    branch = model.net_.module_.branches[model.branches_.index(FULL)]
    hook = branch.encoders["dear"].register_forward_hook(
        lambda part, inputs, outputs: counts.append(len(outputs))
    )
    model.predict(X)
    hook.remove()
    return sum(counts)


def plain_results(cheap, full, test, price):
    """Always the cheap net, always the full one, or the full one if not sure."""
    X, y = test
    sure = cheap.predict_proba(X).max(1)
    answers = cheap.predict(X), full.predict(X)
    found = [
        {"method": "always cheap", "accuracy": cheap.score(X, y), "paid": price},
        {"method": "always full", "accuracy": full.score(X, y), "paid": 1.0},
    ]
    for share in SHARES:
        passed = np.argsort(np.argsort(sure)) < share * len(y)
        right = np.where(passed, answers[1], answers[0]) == y
        cost = price + passed.mean()
        found.append(
            {
                "method": f"cascade, {share:g}",
                "accuracy": float(right.mean()),
                "paid": float(cost),
                "share": share,
            }
        )
    return found


COLUMNS = ["accuracy", "cost", "paid", "share", "unread", "time"]


def means_of(results):
    """Means over seeds, by problem and method."""
    frame = pd.DataFrame(results)
    return frame.groupby(["configuration", "method"], sort=False)[COLUMNS].mean()


def table(results):
    """Accuracy, cost, share of rows that the full branch answers, ratio of time.

    Beside the mean accuracy stand its standard deviation over seeds, and in how many of
    them it is above that of the full net.
    """
    frame = pd.DataFrame(results)
    full = frame[frame.method == "always full"]
    full = full.set_index(["configuration", "seed"])["accuracy"].rename("full")
    frame = frame.join(full, on=["configuration", "seed"])
    frame["above"] = frame["accuracy"] > frame["full"]
    groups = frame.groupby(["configuration", "method"], sort=False)
    found = groups[COLUMNS].mean()
    found.insert(1, "sd of accuracy", groups["accuracy"].std())
    found.insert(2, "seeds above full", groups["above"].sum())
    found["chosen"] = groups["chosen"].agg(lambda some: " ".join(some.dropna()))
    found = found.round(3).reset_index()
    return found.rename(columns={"configuration": "problem"}).to_dict("records")


def claims(results):
    """Rows of other branches are not read; the cost does not rise with its price."""
    frame = pd.DataFrame(results)
    hard = frame[frame.method.str.startswith("hard")]
    unread = hard.groupby("configuration")["unread"].apply(lambda n: n.abs().max())
    rows = [
        row("rows read, other than those routed", problem, count, 0)
        for problem, count in unread.items()
    ]
    costs = means_of(results)["cost"]
    for problem in frame.configuration.unique():
        for gate in ("hard", "soft"):
            some = [costs[problem, f"{gate} gate, {s:g}"] for s in STRENGTHS]
            rise = max(0.0, float(np.diff(some).max()))
            case = f"{problem}: {gate}"
            rows.append(row("rise of cost with its price", case, rise, 0.05))
    return rows


def draw(results, path):
    """Accuracy against the cost of all that is run; λ beside hard gates."""
    means = means_of(results)
    problems = means.index.get_level_values(0).unique()
    figure, axes = plt.subplots(
        1, len(problems), figsize=(4.5 * len(problems), 4), layout="constrained"
    )
    for axis, problem in zip(np.atleast_1d(axes), problems, strict=True):
        draw_problem(axis, means.loc[problem])
        axis.set(title=problem, xlabel="cost per row, full net = 1")
    np.atleast_1d(axes)[0].set_ylabel("test accuracy")
    np.atleast_1d(axes)[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


def draw_problem(axis, means):
    kinds = {"hard gate": "o-", "soft gate": "s:", "cascade": "^--"}
    for kind, style in kinds.items():
        some = means[means.index.str.startswith(kind)].sort_values("paid")
        line = axis.plot(some["paid"], some["accuracy"], style, label=kind)[0]
        if kind == "hard gate":
            for name, point in some.iterrows():
                place = point["paid"], point["accuracy"]
                text = f" λ={name.split(', ')[1]}"
                axis.annotate(text, place, fontsize=7, va="top")
        if kind == "soft gate":
            line.set(linestyle="none", fillstyle="none")
    stars = {"always cheap": "tab:gray", "always full": "black"}
    stars |= {"chosen hard gate": "tab:blue", "chosen cascade": "tab:green"}
    for name, color in stars.items():
        point = means.loc[name]
        axis.plot(point["paid"], point["accuracy"], "*", ms=12, color=color, label=name)

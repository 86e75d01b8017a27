"""Bad values for every argument of the public names, and whether errors name it.

A call with a bad value is *accepted*, raises a *clear* error, of a usual type and with
the name of the argument in its message, or an *unclear* one.
"""

import contextlib
import re
import tempfile
import warnings
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import skmm
from skmm import ModalityDict, datasets, inspection, model_selection, objectives
from skmm import preprocessing as prep
from skmm.preprocessing import GaussianCorruption
from skmm.training import Stage
from tests import test_common as common

USUAL = (ValueError, TypeError, KeyError, IndexError, OSError, NotImplementedError)
USUAL += (FloatingPointError, ImportError)
VALUES = {
    "none": None,
    "text": "typo",
    "empty text": "",
    "bytes": b"a",
    "negative": -1,
    "zero": 0,
    "two": 2,
    "fraction": 1.5,
    "nan": float("nan"),
    "infinite": float("inf"),
    "complex": 1j,
    "true": True,
    "list": [],
    "texts": ["typo"],
    "mixed": [1, "a"],
    "tuple": (-1, 2),
    "dict": {},
    "wrong key": {"typo": 1},
    "set": {1},
    "object": object(),
    "class": LogisticRegression,
    "array": np.zeros((2, 3)),
    "tensor": torch.zeros(2),
    "frame": pd.DataFrame({"typo": [1, 2]}),
}
N = 24
RNG = np.random.default_rng(0)
Y = np.arange(N) % 2
A, B = RNG.normal(size=(N, 3)) + Y[:, None], RNG.normal(size=(N, 2))
X = ModalityDict(a=A, b=B)
MODEL = skmm.FusionClassifier(max_epochs=1, random_state=0)
FITTED = clone(MODEL).fit(X, Y)


def outcome(call, *names):
    """Return "accepted", "clear", or the unclear error as text.

    The call is made in a temporary folder, since bad values may be names of files.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            call()
        except USUAL as error:
            text = str(error)
            named = any(
                re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names
            )
            return "clear" if named else f"{type(error).__name__}: {text[:200]}"
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]}"
    return "accepted"


# -- cases: group, what, call with the bad value, names of which one must be named ----


def estimator_cases():
    """Every parameter of every estimator, at fit."""
    for estimator in common.QUICK:
        data = common.make_data(estimator)
        for name in estimator.get_params(deep=False):
            yield (
                "parameters",
                f"{type(estimator).__name__}({name}=)",
                partial(_fit_with, estimator, name, data),
                [name],
            )


def _fit_with(estimator, name, data, value):
    clone(estimator).set_params(**{name: value}).fit(*data)


def block_cases():
    """Every parameter of every Block, objective and Stage."""
    blocks = {**common.ENCODERS, **common.DECODERS, **common.HEADS}
    fusions = {
        n: (b, common.WIDTHS, (common.PARTS,)) for n, b in common.FUSIONS.items()
    }
    for class_name, (block, shape, inputs) in {**blocks, **fusions}.items():
        for name in block.get_params(deep=False):
            call = partial(_build_with, block, name, shape, inputs)
            yield "blocks", f"{class_name}({name}=)", call, [name]
    for class_name in (
        "BarlowTwins",
        "MultiplicativeLoss",
        "HuberError",
        "CrossEntropy",
    ):
        objective = getattr(objectives, class_name)()
        for name in objective.get_params(deep=False):
            call = partial(_objective_with, objective, name)
            yield "blocks", f"{class_name}({name}=)", call, [name]
    for name in ("epochs", "train", "lr", "objective"):
        yield "blocks", f"Stage({name}=)", partial(_stage_with, name), [name, "Stage"]


def _build_with(block, name, shape, inputs, value):
    built = common.built_clone(clone(block).set_params(**{name: value}), shape)
    built(*inputs)


def _objective_with(objective, name, value):
    objective = clone(objective).set_params(**{name: value})
    kind = skmm.MulMixClassifier if "alpha" in objective.get_params() else None
    if isinstance(objective, objectives.BarlowTwins):
        skmm.CoordinatedEncoder(objective=objective, max_epochs=1).fit(X)
    elif isinstance(objective, objectives.HuberError):
        skmm.FusionRegressor(objective=objective, max_epochs=1).fit(X, A[:, 0])
    else:
        kind = kind or skmm.FusionClassifier
        kind(objective=objective, max_epochs=1).fit(X, Y)


def _stage_with(name, value):
    stage = {"epochs": 1} | {name: value}
    clone(MODEL).set_params(stages=[Stage(**stage)]).fit(X, Y)


def transformer_cases():
    """Parameters of transformers and of BootstrapOutOfBag."""
    smiles = np.array(["CCO", "c1ccccc1", "CCN", "CC(=O)O"] * 6, dtype=object)
    images = RNG.random((N, 6, 6))
    spectra = [np.sort(RNG.random((5, 2)), 0) * 1000 for _ in range(N)]
    columns = pd.DataFrame(A, columns=["p", "q", "r"])
    made = [
        (prep.MoleculeFingerprint(n_bits=32), smiles),
        (prep.MoleculeDescriptors(), smiles),
        (prep.MoleculeImager(size=20), smiles),
        (prep.Downscale((3, 3)), images),
        (prep.TopRows(3), images),
        (prep.NoiseModality(), A),
        (prep.GaussianCorruption(), A),
        (prep.DropCorruption(), A),
        (prep.SwapCorruption(), smiles),
        (prep.StructuredDropCorruption(), images),
        (prep.SpectrumBinner(), spectra),
        (prep.ColumnsToModalities({"a": ["p"], "b": ["q", "r"]}), columns),
        (prep.ModalityTransformer(), X),
    ]
    for transformer, data in made:
        for name in transformer.get_params(deep=False):
            call = partial(_transform_with, transformer, name, data)
            yield "transformers", f"{type(transformer).__name__}({name}=)", call, [name]
    splitter = model_selection.BootstrapOutOfBag(2, random_state=0)
    for name in ("n_splits", "stratify", "random_state"):
        call = partial(_split_with, name)
        yield "transformers", f"{type(splitter).__name__}({name}=)", call, [name]


def _transform_with(transformer, name, data, value):
    clone(transformer).set_params(**{name: value}).fit_transform(data)


def _split_with(name, value):
    splitter = model_selection.BootstrapOutOfBag(**{"n_splits": 2} | {name: value})
    list(splitter.split(A, Y))


def maker_cases():
    """Arguments of the functions that make data."""
    import inspect

    for name in datasets.__all__:
        if not name.startswith("make_"):
            continue
        function = getattr(datasets, name)
        for argument in inspect.signature(function).parameters:
            call = partial(_call_with, function, {}, argument)
            yield "datasets", f"{name}({argument}=)", call, [argument]


def _call_with(function, arguments, name, value):
    function(**arguments | {name: value})


def function_cases():
    """Arguments of the functions of model_selection and inspection."""
    import inspect

    folds = [(np.arange(12), np.arange(12, N)), (np.arange(12, N), np.arange(12))]
    base = {"estimator": MODEL, "X": X, "y": Y}
    calls = {
        model_selection.compare_modalities: base | {"resampling": folds},
        model_selection.bootstrap_score: base | {"resampling": 2, "random_state": 0},
        model_selection.fit_replicas: base | {"samples": [np.arange(N)]},
        model_selection.cross_validate_replicas: base | {"cv": folds},
        inspection.modality_importance: base | {"estimator": FITTED, "n_repeats": 1},
        inspection.conditional_utilization: base | {"cv": folds},
        inspection.emap: {"estimator": FITTED, "X": X},
        inspection.interaction_decomposition: {"estimator": FITTED, "X": X},
        inspection.robustness_curve: base
        | {"estimator": FITTED, "corruption": GaussianCorruption()},
        inspection.relative_robustness: {"levels": [0, 0.5], "scores": [1, 0.8]},
        inspection.effective_robustness: {
            "scores": [0.9, 0.7, 0.5],
            "baseline": [1, 0.8, 0.5],
        },
        skmm.restrict: {"estimator": MODEL, "names": ["a"]},
    }
    for function, arguments in calls.items():
        known = inspect.signature(function).parameters
        arguments = {k: v for k, v in arguments.items() if k in known}
        for name in known:
            if name in ("verbose",):
                continue
            call = partial(_call_with, function, arguments, name)
            yield "functions", f"{function.__name__}({name}=)", call, [name, "modality"]


def search_cases():
    """Parameters of the search."""
    search = model_selection.ModalitySearchCV(MODEL, n_trials=1, cv=2, random_state=0)
    for name in search.get_params(deep=False):
        if name in ("verbose",):
            continue
        yield (
            "transformers",
            f"ModalitySearchCV({name}=)",
            partial(_fit_with, search, name, (X, Y)),
            [name],
        )


LEAVES = {
    "nan": np.where(np.eye(N, 3) > 0, np.nan, A),
    "infinite": np.where(np.eye(N, 3) > 0, np.inf, A),
    "beyond float32": A * 1e300,
    "complex": A * 1j,
    "complex frame": pd.DataFrame(A * 1j),
    "complex sparse": sparse.csr_array(A * 1j),
    "sparse nan": sparse.csr_array(np.where(np.eye(N, 3) > 0, np.nan, A)),
    "short": A[:5],
    "empty": A[:0],
    "scalar": 3.0,
    "text scalar": "abc",
    "three axes, no columns": np.zeros((N, 0)),
    "objects": np.array([object()] * N),
    "texts and None": np.array(["a", None] * (N // 2), dtype=object),
    "dates": np.array(["2020-01-01"] * N, dtype="datetime64[D]"),
    "spans": pd.DataFrame({"c": pd.to_timedelta(np.arange(N), unit="D")}),
    "masked": np.ma.masked_array(A, A > 1),
    "longdouble": A.astype(np.longdouble) * np.longdouble(1e308) * 10,
    "meta": torch.zeros(N, 3, device="meta"),
    "set": {1, 2, 3},
    "generator": "generator",
    "structured": np.zeros(N, dtype=[("p", float), ("q", int)]),
    "other width": np.hstack([A, A]),
    "ragged matrices": [np.zeros((2, k % 3 + 1)) for k in range(N)],
    "dict": {"p": A},
    "none": None,
    "bytes": np.array([b"a"] * N),
}


def leaf_cases():
    """Bad leaves of modality a, at fit and at predict."""
    for estimator in common.QUICK:
        name = type(estimator).__name__
        data = (X,) if name == "CoordinatedEncoder" else (X, Y.astype(float))
        small = clone(estimator).set_params(**_no_parts(estimator))
        yield "leaves", f"{name}.fit", partial(_fit_leaf, small, data[1:]), ["'a'", "X"]
        try:
            fitted = clone(small).fit(*data)
        except Exception:
            continue
        for method in ("predict", "transform"):
            if hasattr(fitted, method):
                call = partial(_predict_leaf, fitted, method)
                yield "leaves", f"{name}.{method}", call, ["'a'", "X"]


def _no_parts(estimator):
    reset = {"encoders": None, "estimators": None, "modalities": None}
    known = estimator.get_params(deep=False)
    return {name: value for name, value in reset.items() if name in known}


def _fit_leaf(estimator, rest, leaf):
    leaf = (row for row in A) if isinstance(leaf, str) and leaf == "generator" else leaf
    clone(estimator).fit({"a": leaf, "b": B}, *rest)


def _predict_leaf(fitted, method, leaf):
    leaf = (row for row in A) if isinstance(leaf, str) and leaf == "generator" else leaf
    getattr(fitted, method)({"a": leaf, "b": B})


TARGETS = {
    "none": None,
    "short": Y[:5],
    "empty": Y[:0],
    "scalar": 1,
    "text": "abc",
    "nan": np.where(np.arange(N) < 2, np.nan, Y),
    "infinite": np.where(np.arange(N) < 2, np.inf, Y),
    "texts with None": np.array(["p", None] * (N // 2), dtype=object),
    "one class": np.zeros(N, int),
    "complex": Y * 1j,
    "three axes": np.zeros((N, 2, 2)),
    "objects": np.array([object()] * N),
    "mixed": np.array([1, "a"] * (N // 2), dtype=object),
    "dates": np.array(["2020-01-01"] * N, dtype="datetime64[D]"),
    "no columns": np.zeros((N, 0)),
    "dict": {"a": Y},
    "other labels": pd.Series(Y, index=np.arange(N)[::-1]),
    "frame of texts": pd.DataFrame({"p": ["a", "b"] * (N // 2), "q": ["c"] * N}),
    "sparse": sparse.csr_array(np.eye(N)),
}
WEIGHTS = {
    "short": np.ones(3),
    "long": np.ones(2 * N),
    "negative": -np.ones(N),
    "nan": np.full(N, np.nan),
    "zero": np.zeros(N),
    "infinite": np.full(N, np.inf),
    "huge": np.full(N, 1e308),
    "text": "abc",
    "texts": np.array(["a"] * N),
    "matrix": np.ones((N, 2)),
    "object": object(),
    "other labels": pd.Series(np.ones(N), index=np.arange(N)[::-1]),
}


def label_cases():
    """Bad y and sample_weight of every estimator."""
    frame = {"a": pd.DataFrame(A), "b": pd.DataFrame(B)}
    for estimator in common.QUICK:
        name = type(estimator).__name__
        small = clone(estimator).set_params(**_no_parts(estimator))
        if name not in ("CoordinatedEncoder", "EncoderDecoderReconstructor"):
            call = partial(_fit_target, small, frame)
            yield "labels", f"{name}.fit(y=)", call, ["y"]
        yield (
            "weights",
            f"{name}.fit(sample_weight=)",
            partial(_fit_weight, small, frame),
            ["sample_weight", "weights"],
        )


def _fit_target(estimator, frame, y):
    clone(estimator).fit(frame, y)


def _fit_weight(estimator, frame, weight):
    clone(estimator).fit(frame, Y.astype(float), sample_weight=weight)


def container_cases():
    """Arguments of ModalityDict and its methods."""
    calls = {
        "present=": (lambda v: ModalityDict({"a": A}, present=v), "present"),
        "ModalityDict(X)": (lambda v: ModalityDict(v), "modality"),
        "select": (X.select, "modality"),
        "with_missing(name)": (lambda v: X.with_missing(v), "modality"),
        "with_missing(rows)": (lambda v: X.with_missing("a", v), "rows"),
        "assign": (X.assign, "modality"),
        "align": (ModalityDict.align, "modality"),
        "index": (lambda v: X[v], "modality"),
    }
    words = ["modality", "modalities", "rows", "row", "present", "data", "index", "X"]
    for what, (call, name) in calls.items():
        yield "containers", what, call, [name, *words]


VALUES_OF = {"leaves": LEAVES, "labels": TARGETS, "weights": WEIGHTS}
CASES = (
    estimator_cases,
    block_cases,
    transformer_cases,
    search_cases,
    maker_cases,
    function_cases,
    leaf_cases,
    label_cases,
    container_cases,
)


def table(share=1, offset=0, only=None):
    """Outcomes of every `share`-th value of each case.

    Returns
    -------
    DataFrame
        Columns group, what, value, outcome.
    """
    rows, count = [], offset
    for cases in CASES:
        for group, what, call, names in cases():
            if only is not None and group not in only:
                continue
            for value in VALUES_OF.get(group, VALUES):
                count += 1
                if count % share == 0:
                    bad = VALUES_OF.get(group, VALUES)[value]
                    rows.append(
                        (group, what, value, outcome(partial(call, bad), *names))
                    )
    return pd.DataFrame(rows, columns=["group", "what", "value", "outcome"])

"""Warnings point at the line of the user, however deep in the package they arise."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import skmm
from skmm import ModalityDict
from skmm.preprocessing import ModalityTransformer

RNG = np.random.default_rng(0)
ONE = ModalityDict(a=RNG.normal(size=(40, 3)))
IMAGES = ModalityDict(i=RNG.normal(size=(40, 24, 24)))
Y = np.arange(40) % 2
RARE = np.r_[np.zeros(39), 1].astype(int)
FAST = {"max_epochs": 1, "random_state": 0}

CASES = {
    "one modality": lambda: skmm.CoordinatedEncoder(**FAST).fit(ONE),
    "nothing fused": lambda: skmm.NoHarmFusionClassifier(cv=2, **FAST).fit(ONE, Y),
    "grey images": lambda: skmm.FusionClassifier(**FAST).fit(IMAGES, Y),
    "in a pipeline": lambda: make_pipeline(
        ModalityTransformer({"i": "passthrough"}), skmm.FusionClassifier(**FAST)
    ).fit(IMAGES, Y),
    "in cross-validation": lambda: cross_val_score(
        skmm.FusionClassifier(**FAST), IMAGES, Y, cv=2
    ),
    "not stratified": lambda: skmm.FusionClassifier(early_stopping=True, **FAST).fit(
        ONE, RARE
    ),
}


@pytest.mark.parametrize("call", CASES.values(), ids=CASES)
def test_the_warning_names_the_file_of_the_user(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    ours = [w for w in caught if w.category is UserWarning]
    assert ours and {w.filename for w in ours} == {__file__}
    first, length = (
        inspect.getsourcelines(call)[1],
        len(inspect.getsourcelines(call)[0]),
    )
    assert {first <= w.lineno < first + length for w in ours} == {True}

"""What MoleculeImager accepts and refuses, and its pictures."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import estimator_checks, get_tags

from skmm import ModalityDict
from skmm.preprocessing import ModalityTransformer, MoleculeImager

rdkit = pytest.importorskip("rdkit")

SMILES = ["C", "c1ccccc1", "CC", "CC(=O)Oc1ccccc1C(=O)O", "C#N", "[Na+].[Cl-]"]
BAD = ["CCO", "not a molecule", None, "c1ccccc1"]


# -- what is accepted --------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [np.array(SMILES)[:, None], pd.Series(SMILES), ModalityDict(s=SMILES)["s"]],
    ids=["column", "Series", "leaf"],
)
def test_forms_of_a_text_column(form):
    imager = MoleculeImager()
    images = imager.fit_transform(form)
    assert images.shape == (6, 4, 80, 80) and images.dtype == np.float32
    assert imager.n_features_in_ == 1
    np.testing.assert_array_equal(images, MoleculeImager().transform(SMILES))


def test_unreadable_rows_are_empty_and_marked():
    imager = MoleculeImager(on_error="missing")
    images = imager.transform(BAD)
    assert images.any(axis=(1, 2, 3)).tolist() == [True, False, False, True]
    assert imager.present(BAD).tolist() == [True, False, False, True]
    assert not imager.transform([None]).any()
    out = ModalityTransformer({"s": imager}).fit_transform({"s": BAD})
    assert out.present["s"].tolist() == [True, False, False, True]
    np.testing.assert_array_equal(out["s"], images)


@pytest.mark.parametrize("method", ["transform", "present", "fit_transform"])
def test_unreadable_rows_are_rejected(method):
    with pytest.raises(ValueError, match=r"row 1 is not a valid SMILES.*2 of 4 rows"):
        getattr(MoleculeImager(), method)(BAD)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 0),
        ("size", 2.5),
        ("resolution", 0.0),
        ("channels", "rgb"),
        ("oversize", "crop"),
        ("n_jobs", 1.5),
        ("on_error", "ignore"),
    ],
)
def test_bad_parameters_are_named(method, name, value):
    imager = MoleculeImager().set_params(**{name: value})
    with pytest.raises(ValueError, match=f"'{name}' parameter of MoleculeImager"):
        getattr(imager, method)(SMILES)


def test_wrong_shape():
    with pytest.raises(ValueError, match=r"\(1, 2\)"):
        MoleculeImager().fit([["C", "CC"]])


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_without_data(check):
    check("MoleculeImager", MoleculeImager())


def test_tags():
    tags = get_tags(MoleculeImager())
    assert tags.input_tags.string and not tags.requires_fit


# -- pictures ----------------------------------------------------------------------


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.mark.parametrize(("channels", "n"), [("chemception", 4), ("structure", 1)])
def test_plot_shows_every_channel(plt, channels, n):
    imager = MoleculeImager(channels=channels)
    figure = imager.plot("c1ccccc1O")
    assert len(figure.axes) == n
    expected = imager.transform(["c1ccccc1O"])[0]
    for ax, channel in zip(figure.axes, expected, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), channel)
        assert ax.get_ylim()[0] > ax.get_ylim()[1]  # row 0 at the top
    figure.canvas.draw()


def test_plot_on_given_axes(plt):
    figure, axes = plt.subplots(2, 2)
    assert MoleculeImager().plot("C", axes) is figure
    with pytest.raises(ValueError, match="4 matplotlib axes; got 2"):
        MoleculeImager().plot("C", axes[0])


def test_heteroatoms_are_marked_at_any_resolution():
    for resolution in (0.3, 0.6, 1.0):
        imager = MoleculeImager(resolution=resolution, channels="structure")
        ethanol, propane = imager.transform(["CCO", "CCC"])
        assert (ethanol != propane).any()


def test_plot_of_nothing_and_of_a_bad_smiles():
    pytest.importorskip("matplotlib")
    assert MoleculeImager().plot("*") is not None
    with pytest.raises(ValueError, match="'zz'"):
        MoleculeImager(on_error="missing").plot("zz")

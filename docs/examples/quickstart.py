"""Does the structure of a molecule help, where 41 descriptors are known already?

935 chemicals, readily biodegradable or not, as three modalities: 41 descriptors, a
fingerprint of the structure, and an image of it with four channels (atoms and bonds,
charge, valence, hybridisation). Each alone and all fused are cross-validated on the
same folds, so that differences are paired.

Run: python docs/examples/quickstart.py   (a minute or two on two cores)
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from skmm import FusionClassifier, ModalityDict, restrict
from skmm.datasets import load_biodegradation
from skmm.metrics import classification_error_rate_scorer
from skmm.nn import ConvEncoder, MLPEncoder
from skmm.preprocessing import (
    ModalityTransformer,
    MoleculeFingerprint,
    MoleculeImager,
)

FOLDS, REPEATS = 3, 2
MODALITIES = ["descriptors", "fingerprint", "image"]
SUBSETS = {**{name: [name] for name in MODALITIES}, "fused": MODALITIES}
IMAGER = MoleculeImager(size=40, oversize="scale")


def load():
    """Three modalities of each chemical; two of them start as its SMILES."""
    data, y = load_biodegradation(return_X_y=True)
    smiles = data["smiles"]
    X = ModalityDict(descriptors=data["descriptors"], fingerprint=smiles, image=smiles)
    return X, y


def make_model():
    """Preprocessing and network in one scikit-learn Pipeline."""
    return make_pipeline(
        ModalityTransformer(
            {
                "descriptors": StandardScaler(),
                "fingerprint": MoleculeFingerprint(),
                "image": IMAGER,
            }
        ),
        FusionClassifier(
            encoders={
                "descriptors": MLPEncoder((64,), dropout=0.3),
                "fingerprint": MLPEncoder((64,), dropout=0.3),
                "image": ConvEncoder((8, 16), kernel_size=3, hidden=(64,)),
            },
            max_epochs=30,
            random_state=0,
        ),
    )


def cross_validate_subsets(model, X, y):
    """One row per subset and fold: error rate Er, AUC, seconds."""
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    scoring = {"Er": classification_error_rate_scorer, "AUC": "roc_auc"}
    parts = []
    for name, modalities in (bar := tqdm(SUBSETS.items())):
        bar.set_description(f"{name}, {FOLDS * REPEATS} fits")
        part = restrict(model, modalities)
        scores = cross_validate(part, X, y, cv=folds, scoring=scoring)
        parts.append(
            pd.DataFrame(
                {
                    "subset": name,
                    "fold": range(FOLDS * REPEATS),
                    "Er": -scores["test_Er"],
                    "AUC": scores["test_AUC"],
                    "seconds": scores["fit_time"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def corrected_se(values):
    """Standard error of a mean over folds that share training rows.

    Nadeau and Bengio (2003): the variance of repeated K-fold scores is multiplied by
    1/J + 1/(K - 1) for J scores, because the training sets overlap.
    """
    return np.std(values, ddof=1) * np.sqrt(1 / len(values) + 1 / (FOLDS - 1))


def summarise(scores):
    """Mean and corrected standard error of each subset."""
    by_subset = scores.groupby("subset", sort=False)
    return pd.DataFrame(
        {
            "Er": by_subset["Er"].mean(),
            "± SE": by_subset["Er"].apply(corrected_se),
            "AUC": by_subset["AUC"].mean(),
            "seconds per fit": by_subset["seconds"].mean(),
        }
    )


def verdict(scores, alpha=0.05):
    """One sentence on the paired difference between fused and the better single.

    The better single is known in hindsight only, so the interval holds for all singles
    at once (Bonferroni).
    """
    errors = scores.pivot(index="fold", columns="subset", values="Er")
    singles = [name for name in SUBSETS if name != "fused"]
    best = errors[singles].mean().idxmin()
    change = errors["fused"] - errors[best]
    level = 1 - alpha / len(singles) / 2
    half = student.ppf(level, len(change) - 1) * corrected_se(change)
    low, high = change.mean() - half, change.mean() + half
    answer = "no evidence that fusion helps or harms"
    answer = "fusion helps" if high < 0 else "fusion harms" if low > 0 else answer
    return (
        f"Against {best} alone: {answer}. It changes the error rate by "
        f"{change.mean():+.3f} (95 % interval {low:+.3f} to {high:+.3f}, "
        f"{len(change)} paired folds)."
    )


def plot(table, smiles, path):
    """Four channels of a molecule, and the error rates with one standard error."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(8.5, 2.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.7])
    left.suptitle(smiles, fontsize=8)
    draw_channels(left.subplots(2, 2), smiles)
    axes = right.subplots()
    colours = ["#9aa7b8"] * (len(table) - 1) + ["#2a6f97"]
    axes.barh(table.index, table["Er"], xerr=table["± SE"], color=colours, capsize=3)
    axes.invert_yaxis()
    axes.set_xlabel("error rate Er (± SE, smaller is better)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_channels(axes, smiles):
    """Show what the image network sees of one molecule."""
    titles = ["atoms, bonds", "charge", "valence", "hybridisation"]
    channels = IMAGER.transform([smiles])[0]
    for ax, channel, title in zip(axes.flat, channels, titles, strict=True):
        is_charge = title == "charge"
        bound = abs(channel).max()
        low, colours = (-bound, "PuOr") if is_charge else (0, "magma")
        ax.imshow(channel, vmin=low, vmax=bound, cmap=colours)
        ax.set_title(title, fontsize=8)
        ax.set_axis_off()


def main(picture):
    # ten of the molecules have metals, for which RDKit knows no charge: zero will do
    warnings.filterwarnings("ignore", "RDKit has no finite Gasteiger charge")
    X, y = load()
    scores = cross_validate_subsets(make_model(), X, y)
    table = summarise(scores)
    print(f"\n{len(y)} chemicals, {REPEATS} x {FOLDS}-fold cross-validation")
    print(table.round(3).to_string())
    print(verdict(scores))
    plot(table, "CC(=O)Nc1ccc(OCC)cc1", picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart.png"))

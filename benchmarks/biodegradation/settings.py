"""Variants of the biodegradation benchmark: images, encoders, rates and epochs."""

from dataclasses import dataclass

import torch

from skmm.datasets import load_biodegradation
from skmm.nn import Chemception, ConvEncoder, MLPEncoder
from skmm.preprocessing import MoleculeImager


@dataclass
class Setting:
    """Size of the images, the encoders, and how they are trained."""

    name: str
    size: int
    resolution: float
    encoders: dict
    image: dict  # of the single net, as those of the descriptors
    descriptors: dict
    fused: dict

    def described(self):
        """Return a name that tells it from the same variant with other epochs."""
        parts = ("image", "descriptors", "fused")
        epochs = [f"{part} {getattr(self, part)['max_epochs']}" for part in parts]
        return f"{self.name} {self.size} x {self.size}, epochs {', '.join(epochs)}"


def setting(images, quick):
    """Return the setting of a variant; what Chemception does depends on the device."""
    if images == "small":
        return small(*(4, 20, 4) if quick else (30, 100, 60))
    if torch.cuda.is_available():
        return chemception(*(2, 4, 2) if quick else (150, 300, 300), rate=1e-4)
    return chemception(*(1, 4, 1) if quick else (20, 300, 20), rate=1e-3)


def small(image, descriptors, fused):
    """Return small images and two small nets of width 32."""
    encoders = {
        "image": ConvEncoder((16, 32, 32), kernel_size=3, hidden=()),
        "descriptors": MLPEncoder((64, 32), dropout=0.5),
    }
    return Setting(
        "small",
        40,
        1.0,
        encoders,
        {"lr": 1e-3, "batch_size": 32, "max_epochs": image, "patience": 10},
        {"lr": 1e-3, "batch_size": 64, "max_epochs": descriptors},
        {"lr": 1e-3, "batch_size": 32, "max_epochs": fused, "patience": 10},
    )


def chemception(image, descriptors, fused, rate):
    """Return the thesis's nets; the width in the middle of the MLP is a guess."""
    encoders = {
        "image": Chemception(),
        "descriptors": MLPEncoder((126, 126), dropout=0.58),
    }
    return Setting(
        "chemception",
        80,
        0.5,
        encoders,
        {"lr": rate, "batch_size": 32, "max_epochs": image},
        {"lr": 6e-5, "batch_size": 64, "max_epochs": descriptors},
        {"lr": 6e-5, "batch_size": 64, "max_epochs": fused},
    )


def molecules(setting):
    """Images and descriptors of all molecules, and their classes."""
    X, y = load_biodegradation(return_X_y=True)
    imager = MoleculeImager(setting.size, setting.resolution, oversize="scale")
    images = imager.fit_transform(X["smiles"])
    return {"image": images, "descriptors": X["descriptors"].to_numpy()}, y

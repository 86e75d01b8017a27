"""Images of molecules given as SMILES."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone

from skmm._plotting import axes_of
from skmm._sklearn import Interval, StrOptions
from skmm._warnings import warn
from skmm.preprocessing import _raster
from skmm.preprocessing._molecule_records import drawing_records, property_records
from skmm.preprocessing._smiles import parse_in_parts, read_smiles, readable_rows

CHANNELS = {
    "chemception": ["atoms and bonds", "charge", "valence", "hybridisation"],
    "structure": ["structure"],
}


class MoleculeImager(TransformerMixin, BaseEstimator):
    """Images of molecules given as SMILES, the input of Chemception.

    RDKit computes 2-D coordinates; the bounding box of the molecule is centred on the
    middle pixel ``size // 2``. Nothing is learned: `transform` works without `fit`.

    ==============  ==========================================================
    channels        what is drawn
    ==============  ==========================================================
    "chemception"   four channels. 0: the order of each bond along its line
                    (aromatic 1.5), and on top the atomic number of each atom; 1:
                    the Gasteiger charge of each atom; 2: its total valence,
                    including hydrogens; 3: RDKit's code of its hybridisation
                    (S 1, SP 2, SP2 3, SP3 4, ...)
    "structure"     one channel, 0 or 1: one line per bond order (Kekulé
                    structure), a filled square on each atom other than carbon.
                    Double bonds are visible up to about ``resolution=0.2``
    ==============  ==========================================================

    Parameters
    ----------
    size : int, default=80
        Height and width in pixels.
    resolution : float, default=0.5
        Å per pixel; a bond between carbons has about 1.5 Å.
    channels : {"chemception", "structure"}, default="chemception"
        See the table.
    oversize : {"raise", "scale"}, default="raise"
        How to handle a molecule that needs a larger image: raise an error, or shrink
        the molecule to fit.
    n_jobs : int or None, default=None
        Number of processes that use RDKit; None means 1. The result does not depend
        on it.
    on_error : {"raise", "missing"}, default="raise"
        How to handle SMILES that are not a string, are empty or cannot be parsed: raise
        an error, or return an empty image, for which `present` is False.

    Attributes
    ----------
    n_features_in_ : int
        Always 1, the column of SMILES; exists after `fit`.

    Warns
    -----
    UserWarning
        Once per `transform`, if RDKit has no Gasteiger parameters for an atom, such as
        Se, Sn or Hg: channel 1 is then 0 for all atoms of that molecule.

    Notes
    -----
    X is a list, array, Series or DataFrame of shape (n_samples,) or (n_samples, 1). Row
    ``i`` of the result depends on row ``i`` of X only. If two atoms share a pixel,
    the later one is drawn. An image of the default size takes 100 kB. Requires RDKit:
    ``pip install "skmm[chem]"``.

    References
    ----------
    G. B. Goh, C. Siegel, A. Vishnu, N. Hodas, N. Baker. How Much Chemistry Does a Deep
    Neural Network Need to Know to Make Accurate Predictions? WACV 2018.
    arXiv:1710.02238

    Examples
    --------
    >>> from skmm.preprocessing import MoleculeImager
    >>> images = MoleculeImager().fit_transform(["C", "c1ccccc1"])
    >>> images.shape, images.dtype
    ((2, 4, 80, 80), dtype('float32'))
    >>> images[0, :, 40, 40].round(4).tolist()  # methane: number, charge, valence, SP3
    [6.0, -0.0776..., 4.0, 4.0]
    >>> [int((channel != 0).sum()) for channel in images[1]]
    [20, 6, 6, 6]
    """

    _parameter_constraints = {
        "size": [Interval(Integral, 1, None, closed="left")],
        "resolution": [Interval(Real, 0, None, closed="neither")],
        "channels": [StrOptions(set(CHANNELS))],
        "oversize": [StrOptions({"raise", "scale"})],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"raise", "missing"})],
    }

    def __init__(
        self,
        size=80,
        resolution=0.5,
        *,
        channels="chemception",
        oversize="raise",
        n_jobs=None,
        on_error="raise",
    ):
        self.size = size
        self.resolution = resolution
        self.channels = channels
        self.oversize = oversize
        self.n_jobs = n_jobs
        self.on_error = on_error

    def fit(self, X, y=None):
        """Check the parameters and the shape of X.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)
        y : None
            Ignored.

        Returns
        -------
        self
        """
        self._validate_params()
        read_smiles(X)
        self.n_features_in_ = 1
        return self

    def transform(self, X):
        """Draw the molecules.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)

        Returns
        -------
        ndarray of shape (n_samples, channels, size, size), dtype float32
            Rows that cannot be read are zeros.

        Raises
        ------
        ValueError
            If a SMILES cannot be read and `on_error` is "raise", or if a molecule does
            not fit and `oversize` is "raise".
        """
        self._validate_params()
        smiles = read_smiles(X)
        make = property_records if self._in_colour() else drawing_records
        records = parse_in_parts(smiles, make, self.on_error, self.n_jobs)
        if self._in_colour():
            records = _finite_charges(records, smiles)
        n_channels = len(CHANNELS[self.channels])
        images = np.zeros((len(smiles), n_channels, self.size, self.size), np.float32)
        for start in range(0, len(smiles), _raster.CHUNK):
            chunk = slice(start, start + _raster.CHUNK)
            self._draw(images[chunk], records[chunk], smiles[chunk], start)
        return images

    def present(self, X):
        """Return a mask of the SMILES that can be read.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)

        Returns
        -------
        ndarray of shape (n_samples,), dtype bool
            False for rows that are empty images in the output of `transform`.

        Raises
        ------
        ValueError
            If a SMILES cannot be read and `on_error` is "raise".
        """
        self._validate_params()
        return readable_rows(X, self.on_error)

    def plot(self, smiles, axes=None):
        """Plot the channels of one molecule side by side.

        Parameters
        ----------
        smiles : str
        axes : matplotlib Axes or array of them, default=None
            One per channel; None creates a new figure.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If the molecule cannot be drawn, or the number of axes is wrong.
        """
        image = clone(self).set_params(on_error="raise").transform([smiles])[0]
        axes = axes_of(len(image), axes)
        for ax, channel, title in zip(
            axes, image, CHANNELS[self.channels], strict=True
        ):
            top = np.abs(channel).max() or 1.0
            ax.imshow(channel, cmap="RdBu", vmin=-top, vmax=top)
            ax.set(title=title, **_close_up(image))
        return axes[0].figure

    def _in_colour(self):
        return self.channels == "chemception"

    def _draw(self, images, records, smiles, start):
        """Draw a chunk of molecules that starts at row `start`."""
        rows = [row for row, record in enumerate(records) if record is not None]
        if not rows:
            return
        flat = _raster.flatten([records[row] for row in rows], self.resolution)
        if self.oversize == "raise":
            self._check_size(flat, rows, smiles, start)
        flat = _raster.shrink(flat, self.size)
        flat = flat._replace(owner=np.array(rows)[flat.owner])
        if self._in_colour():
            _raster.draw_properties(images, flat)
        else:
            _raster.draw_structure(images, flat, self.resolution)

    def _check_size(self, flat, rows, smiles, start):
        reach = _raster.to_pixels(_raster.extents(flat))
        too_far = np.flatnonzero(reach > _raster.half_width(self.size))
        if len(too_far) == 0:
            return
        first = too_far[0]
        raise ValueError(
            f"row {start + rows[first]} does not fit: {smiles[rows[first]]!r} needs "
            f"size={2 * reach[first] + 1} at resolution={self.resolution:g} Å per "
            f"pixel, but size={self.size}. Increase size or resolution, or use "
            "oversize='scale' to shrink such molecules."
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


def _close_up(image, margin=2):
    """Return limits of the axes that enclose the molecule."""
    shown = np.argwhere(image.any(axis=0))
    if len(shown) == 0:  # only dummy atoms
        return {}
    low, high = shown.min(axis=0) - margin - 0.5, shown.max(axis=0) + margin + 0.5
    return {"xlim": (low[1], high[1]), "ylim": (high[0], low[0])}


def _finite_charges(records, smiles):
    """Replace charges that are not finite by 0, with one warning."""
    bad = [row for row, record in enumerate(records) if record and _unknown(record)]
    if bad:
        n_atoms = sum(_unknown(records[row]) for row in bad)
        first = repr(smiles[bad[0]])[:80]
        warn(
            f"RDKit has no finite Gasteiger charge for {n_atoms} atoms of {len(bad)} "
            f"molecules, the first in row {bad[0]}: {first}; they are set to 0."
        )
    records = list(records)
    for row in bad:
        atoms = [
            (number, charge if np.isfinite(charge) else 0.0, *rest)
            for number, charge, *rest in records[row].atoms
        ]
        records[row] = records[row]._replace(atoms=atoms)
    return records


def _unknown(record):
    return sum(not np.isfinite(charge) for _, charge, *_ in record.atoms)

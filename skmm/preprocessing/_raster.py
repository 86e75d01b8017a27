"""Draw many molecules into images at once, with NumPy.

The atoms of a chunk of molecules are concatenated, and so are the bonds, each with the
index of its molecule. Pixels are (row, column); rows count downwards.
"""

from itertools import chain
from typing import NamedTuple

import numpy as np

CHUNK = 256  # molecules drawn at once, which bounds the memory
LINE_GAP = 0.25  # gap between the lines of a double bond, in bond lengths
MARK = 0.3  # half the side of the square that marks an atom, in Å


class Flat(NamedTuple):
    """Concatenated atoms and bonds of several molecules."""

    points: np.ndarray  # (atoms, 2) float, row and column relative to the middle pixel
    atoms: np.ndarray  # (atoms, k) properties
    owner: np.ndarray  # (atoms,) index of the molecule
    ends: np.ndarray  # (bonds, 2) indexes of atoms
    orders: np.ndarray  # (bonds,)


def half_width(size):
    """Return the number of pixels on each side of the middle one."""
    return (size - 1) // 2


def flatten(records, resolution):
    """Concatenate records, with bounding boxes centred on the middle pixel."""
    counts = np.array([len(record.atoms) for record in records])
    first = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(records)), counts)
    points = np.concatenate([record.positions for record in records])
    low, high = (f.reduceat(points, first) for f in (np.minimum, np.maximum))
    points = (points - ((low + high) / 2)[owner]) / resolution
    bonds = np.array([bond for record in records for bond in record.bonds])
    bonds = bonds.reshape(-1, 3)
    shift = np.repeat(first, [len(record.bonds) for record in records])
    return Flat(
        points[:, ::-1] * (-1.0, 1.0),
        np.array(list(chain.from_iterable(record.atoms for record in records)), float),
        owner,
        bonds[:, :2].astype(np.intp) + shift[:, None],
        bonds[:, 2],
    )


def extents(flat):
    """Return the distance of each molecule from the middle, in pixels, not rounded."""
    first = np.flatnonzero(np.diff(flat.owner, prepend=-1))
    return np.maximum.reduceat(np.abs(flat.points).max(axis=1), first)


def shrink(flat, size):
    """Scale down the molecules that do not fit."""
    limit = half_width(size)
    scale = np.minimum(1.0, limit / np.maximum(extents(flat), limit or 1))
    return flat._replace(points=flat.points * scale[flat.owner, None])


def to_pixels(points):
    """Round; values within rounding errors of a half count as a half."""
    return np.rint(np.round(points, 4)).astype(np.intp)


def line_points(start, end):
    """Return the pixels of straight lines, including the ends.

    Parameters
    ----------
    start, end : ndarray of int, shape (lines, 2)

    Returns
    -------
    points : ndarray of int, shape (p, 2)
        Each line has as many pixels as its longer side.
    line : ndarray of int, shape (p,)
        Index of the line of each pixel.
    """
    step = end - start
    length = np.abs(step).max(axis=1, initial=0)
    line = np.repeat(np.arange(len(start)), length + 1)
    k = np.arange(len(line)) - np.repeat(np.cumsum(length + 1) - length - 1, length + 1)
    n = np.maximum(length, 1)[line, None]
    return start[line] + (2 * k[:, None] * step[line] + n) // (2 * n), line


def draw_properties(images, flat):
    """Draw bonds into channel 0, then atoms on top into all four channels.

    Parameters
    ----------
    images : ndarray of shape (n_samples, 4, size, size), all zero
        Changed in place.
    flat : Flat
    """
    middle = images.shape[-1] // 2
    pixels = to_pixels(flat.points) + middle
    points, line = line_points(*pixels[flat.ends].swapaxes(0, 1))
    images[flat.owner[flat.ends[line, 0]], 0, *points.T] = flat.orders[line]
    images[flat.owner, :, *pixels.T] = flat.atoms


def draw_structure(images, flat, resolution):
    """Draw one line per bond order, and a square on each atom other than carbon.

    Parameters
    ----------
    images : ndarray of shape (n_samples, 1, size, size), all zero
        Changed in place.
    flat : Flat
        With Kekulé bonds.
    resolution : float
        In Å per pixel.
    """
    start, end, owner = _parallel_lines(flat)
    points, line = line_points(to_pixels(start), to_pixels(end))
    _ink(images, owner[line], points)
    _ink(images, flat.owner, to_pixels(flat.points))
    marked = np.flatnonzero(flat.atoms[:, 0] != 6)
    half = max(1, round(MARK / resolution))  # marks are visible at any resolution
    reach = np.arange(-half, half + 1)
    square = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(1, -1, 2)
    points = to_pixels(flat.points[marked])[:, None] + square
    _ink(images, np.repeat(flat.owner[marked], square.shape[1]), points.reshape(-1, 2))


def _ink(images, owner, points):
    size = images.shape[-1]
    images[owner, 0, *np.clip(points + size // 2, 0, size - 1).T] = 1.0


def _parallel_lines(flat):
    """Return the ends of one to three parallel lines per bond, and their molecules."""
    n_lines = np.clip(np.rint(flat.orders), 1, 3).astype(np.intp)
    bond = np.repeat(np.arange(len(n_lines)), n_lines)
    nth = np.arange(len(bond)) - np.repeat(np.cumsum(n_lines) - n_lines, n_lines)
    ends = flat.points[flat.ends[bond]]  # (lines, 2 ends, 2)
    along = ends[:, 1] - ends[:, 0]
    aside = along[:, ::-1] * (1, -1) * LINE_GAP
    ends = ends + ((nth - (n_lines[bond] - 1) / 2)[:, None] * aside)[:, None]
    return ends[:, 0], ends[:, 1], flat.owner[flat.ends[bond, 0]]

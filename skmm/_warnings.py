"""Warnings that point at the line of the user that caused them."""

import contextlib
import sys
import warnings
from pathlib import Path

import joblib
import sklearn

PASSED_OVER = (
    str(Path(__file__).parent),
    *(str(Path(module.__file__).parent) for module in (sklearn, joblib)),
    contextlib.__file__,
)


def warn(message, category=UserWarning):
    """Issue a warning for the innermost call outside skmm and scikit-learn.

    Parameters
    ----------
    message : str
    category : type, default=UserWarning
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PASSED_OVER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)

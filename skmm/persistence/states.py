"""The method `save` of estimators, and the states that pickle and other tools get."""

import copyreg

from sklearn.base import BaseEstimator

from skmm.persistence.saving import read, save, to_data
from skmm.training.pickling import Portable, portable

FILE, CLASSES = "skmm_file", "classes"  # keys of a state without code


def savable(cls):
    """Class decorator that adds `save` and the methods of two kinds of state.

    pickle, copy, joblib and cloudpickle use ``__reduce_ex__`` and get all attributes.
    Tools that store objects without code, such as skops, call ``__getstate__`` and get
    the bytes that `save` would write, with the user's classes that they name.
    """
    cls.save = _save
    cls.__reduce_ex__, cls.__reduce__ = _reduce_ex, _reduce
    cls.__getstate__, cls.__setstate__ = _state_without_code, _set_state
    return cls


def _save(self, path):
    """Save the fitted estimator to a file, without pickle.

    Parameters
    ----------
    path : str or path-like
        An existing file is replaced atomically.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If a parameter cannot be stored as data, such as a callback or a function.
    OSError
        If the file cannot be written. An existing file is then unchanged.

    See Also
    --------
    skmm.load : Load the file. Its notes list what is saved.
    skmm.save : Save a Pipeline.
    """
    save(self, path)


def _reduce_ex(self, protocol):
    state = portable(BaseEstimator.__getstate__(self))
    return copyreg.__newobj__, (type(self),), state


def _reduce(self):
    return self.__reduce_ex__(2)


def _state_without_code(self):
    data, classes = to_data(self)
    return {FILE: data, CLASSES: sorted(classes, key=lambda cls: cls.__name__)}


def _set_state(self, state):
    if FILE in state:
        found = read(state[FILE], state[CLASSES])
        if type(found) is not type(self):
            raise ValueError(
                f"the state is that of a {type(found).__name__}, not of a "
                f"{type(self).__name__}."
            )
        state = vars(found)
    values = [v.value if isinstance(v, Portable) else v for v in state.values()]
    BaseEstimator.__setstate__(self, dict(zip(state, values, strict=True)))

"""The classes of the package that a saved file may name.

Each class registers where it is defined, through the ``__init_subclass__`` of its base
class or through `registered`. A class outside the package is not registered: files name
it by its module, and `skmm.load` takes it as an argument.
"""

PACKAGE = __name__.partition(".")[0]
CLASSES = {}


def register(cls, room):
    """Register a class of the package under its public name.

    Base classes are skipped: names that begin with "_" or "Base", and classes that set
    ``_is_abstract = True`` themselves.

    Parameters
    ----------
    cls : type
    room : str
        The subpackage from which users import it, such as "nn"; "" is the package.
    """
    is_base = cls.__name__.startswith(("_", "Base")) or "_is_abstract" in vars(cls)
    if cls.__module__.partition(".")[0] == PACKAGE and not is_base:
        CLASSES[".".join(filter(None, (PACKAGE, room, cls.__name__)))] = cls


def registered(room):
    """Class decorator that calls `register`.

    Parameters
    ----------
    room : str
        See `register`.
    """

    def decorate(cls):
        register(cls, room)
        return cls

    return decorate

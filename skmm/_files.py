"""Files that are either complete or not there, and checksums of their content."""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PART = ".part"  # suffix of a file that is being written


def checksum(data):
    """SHA-256 of bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def check_path(path):
    """Resolve links, and check that a file can be written.

    Raises
    ------
    OSError
        If the path is a directory, or its folder does not exist.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise IsADirectoryError(f"{path} is a directory; add a file name.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the directory {path.parent} does not exist.")
    return path


def write_atomically(path, data):
    """Write a file atomically: through a file beside it, which is then renamed.

    Several processes may write the same file; the last one wins.

    Parameters
    ----------
    path : path-like
    data : bytes

    Raises
    ------
    OSError
        If writing fails. An existing file is then unchanged.
    """
    path = check_path(path)
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}{PART}")
    try:
        with open(part, "xb") as file:
            _lock(file)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if fcntl:  # Windows cannot rename an open file
                os.replace(part, path)
        if not fcntl:
            os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def remove_leftovers(path):
    """Remove what killed processes left of an unfinished `write_atomically`.

    A process that is still writing holds a lock on its file, which is then kept, and so
    are empty files, which may not be locked yet. Where files cannot be locked, nothing
    is removed.
    """
    path = Path(os.path.realpath(path))
    start = f".{path.name[:100]}."
    for part in path.parent.iterdir() if fcntl else ():
        if part.name.startswith(start) and part.name.endswith(PART):
            with suppress(OSError), open(part, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_size:
                    part.unlink()


def _lock(file):
    with suppress(OSError):  # of file systems without locks
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)

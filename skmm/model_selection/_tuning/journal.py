"""A journal whose writers may die, or find the disk full, in the middle of a line.

Readers pass over a last line that has no end, but what is written next would go on in
it, and no reader could get past that. So whoever is about to write ends the last line
if it is whole, and else cuts it off: its writer has never heard that it was written.
"""

import json
from pathlib import Path

BLOCK = 2**12  # bytes that are looked at together


class MendingLock:
    """Lock for writers of a journal, who find its last line whole.

    Parameters
    ----------
    path : str
    lock : lock of Optuna
    """

    def __init__(self, path, lock):
        self.path, self.lock = path, lock

    def acquire(self):
        """Wait for other writers, and mend what the last one has left."""
        self.lock.acquire()
        try:
            _mend(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self):
        """Let other writers write."""
        self.lock.release()


def _mend(path):
    if line := torn(path):
        with Path(path).open("r+b") as file:
            end = file.seek(0, 2)
            if _is_record(line):
                file.write(b"\n")
            else:
                file.truncate(end - len(line))


def torn(path):
    """The last line of a file if it has no end, else nothing.

    Parameters
    ----------
    path : str

    Returns
    -------
    bytes
    """
    with Path(path).open("rb") as file:
        start, line = file.seek(0, 2), b""
        while start and b"\n" not in line:
            size = min(BLOCK, start)
            start = file.seek(start - size)
            line = file.read(size) + line
            if line.endswith(b"\n"):
                return b""
    return line.rpartition(b"\n")[2]


def refuse_other_file(path):
    """Refuse a file that is no journal.

    Parameters
    ----------
    path : str

    Raises
    ------
    ValueError
    """
    with Path(path).open("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n") or not _is_record(line):
        raise ValueError("the file there is no journal of Optuna, or damaged")


def _is_record(line):
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False

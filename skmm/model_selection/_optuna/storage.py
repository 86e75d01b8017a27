"""Studies in a journal file, a database or a storage of Optuna.

A process may die, or find the disk full, in the middle of a line of the journal.
Readers skip an incomplete last line, but a record written behind it would be unreadable
for all. So every writer first completes the last line if it is a whole record, and
otherwise removes it, since its writer did not confirm it.
"""

import json
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path

from skmm.model_selection._optuna.trial_slots import TrialSlots
from skmm.model_selection._optuna.worker import create_study
from skmm.model_selection.search_space import import_optuna

KEY = "skmm"  # attribute of a study: digests of what is searched
HOW_TO_FIX = (
    'Give the path of a journal, such as "study.log", in an existing folder, or the '
    'URL of a database that can be reached, such as "sqlite:///study.db".'
)
TIMEOUT = 60  # seconds that a writer waits for other writers of an SQLite file
UNREADABLE = (  # raised by Optuna for records that are not its own
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    json.JSONDecodeError,
)
BLOCK = 2**12  # bytes that are read at once from the end of a journal


def open_study(storage, name, sampler, pruner):
    """Create a study in a storage, or load the one of that name.

    Parameters
    ----------
    storage : path-like, URL or Optuna storage
    name : str or None
    sampler : Optuna sampler or None
    pruner : Optuna pruner or None
        None never prunes.

    Raises
    ------
    ValueError
        If the storage cannot be reached or read.
    """
    with _explaining(storage):
        return create_study(open_storage(storage), name, sampler, pruner)


def open_storage(storage):
    """Return the storage object for a path or URL; an object is returned as it is."""
    optuna = import_optuna()
    if isinstance(storage, optuna.storages.BaseStorage):
        return storage
    text = os.fspath(storage)
    if "://" not in text:
        return _open_journal(text)
    wait = {"connect_args": {"timeout": TIMEOUT}} if text.startswith("sqlite") else None
    return optuna.storages.RDBStorage(text, engine_kwargs=wait)


def check_shared(storage):
    """Raise an error if other processes cannot reach a storage."""
    if isinstance(storage, import_optuna().storages.InMemoryStorage):
        raise ValueError(
            "with n_jobs > 1, storage must be a path or URL that other processes can "
            "reach; got an InMemoryStorage. Use n_jobs=None, or another storage."
        )


@contextmanager
def _explaining(storage):
    """Turn errors of drivers and files into a ValueError with advice."""
    try:
        yield
    except Exception as error:
        shown = re.sub(r"://[^@/]*@", "://***@", str(storage))
        reason = " ".join(str(error).split())[:300].rstrip(".")
        if isinstance(error, UNREADABLE):
            reason = f"the file is not a journal of Optuna, or is damaged ({reason})"
        raise ValueError(
            f"storage={shown!r} cannot be used: {type(error).__name__}: {reason}. "
            f"{HOW_TO_FIX}"
        ) from error


def claim(study, key):
    """Store what a study searches, or compare it with what is stored.

    Parameters
    ----------
    study : Study
    key : dict of str to str
        A digest for each part of what is searched.

    Raises
    ------
    ValueError
        If parts differ; it names them.
    """
    name, known = study.study_name, study.user_attrs.get(KEY)
    if known is None:
        trials = study.get_trials(deepcopy=False)
        used = any(trial.state.is_finished() for trial in trials)
        if used or study.direction.name != "MAXIMIZE":
            raise ValueError(
                f"study_name={name!r}: the storage has a study of this name that was "
                "not made by ModalitySearchCV. Give another study_name."
            )
        study.set_user_attr(KEY, key)
        known = study.user_attrs[KEY]  # another process may have stored it
    known = known if isinstance(known, dict) else {}
    other = [part for part, digest in key.items() if known.get(part) != digest]
    if other:
        raise ValueError(
            f"study_name={name!r} in this storage belongs to another search, with "
            f"different {', '.join(other)}. Give another study_name or storage. Splits "
            "are equal if cv is a number, or a splitter with a fixed random_state."
        )


def delete_if_empty(study):
    """Delete a study of `ModalitySearchCV` alone in which no trial counts.

    The error can then be corrected, and the name be used again.

    Returns
    -------
    bool
        Whether it was deleted.
    """
    with suppress(Exception):  # the error that ended the search matters more
        if {*study.user_attrs} <= {KEY} and TrialSlots(study, 1).is_empty():
            import_optuna().delete_study(
                study_name=study.study_name, storage=study._storage
            )
            return True
    return False


def _open_journal(path):
    journal = import_optuna().storages.journal
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError("the folder does not exist")
    if Path(path).is_file() and Path(path).stat().st_size:
        _check_journal(path)  # Optuna would append to any file
    links = journal.JournalFileSymlinkLock
    lock = (journal.JournalFileOpenLock if os.name == "nt" else links)(path)
    backend = journal.JournalFileBackend(path, lock_obj=RepairingLock(path, lock))
    return import_optuna().storages.JournalStorage(backend)


def _check_journal(path):
    with Path(path).open("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n") or not _is_record(line):
        raise ValueError("the file is not a journal of Optuna, or is damaged")


class RepairingLock:
    """Lock for writers of a journal that repairs an incomplete last line.

    Parameters
    ----------
    path : str
    lock : lock of Optuna
    """

    def __init__(self, path, lock):
        self.path, self.lock = path, lock

    def acquire(self):
        """Wait for other writers, and repair what the last one left incomplete."""
        self.lock.acquire()
        try:
            _repair(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self):
        """Let other writers write."""
        self.lock.release()


def _repair(path):
    if line := incomplete_line(path):
        with Path(path).open("r+b") as file:
            end = file.seek(0, 2)
            if _is_record(line):
                file.write(b"\n")
            else:
                file.truncate(end - len(line))


def incomplete_line(path):
    """Return the last line of a file as bytes if it has no end, else b""."""
    with Path(path).open("rb") as file:
        start, line = file.seek(0, 2), b""
        while start and b"\n" not in line:
            size = min(BLOCK, start)
            start = file.seek(start - size)
            line = file.read(size) + line
            if line.endswith(b"\n"):
                return b""
    return line.rpartition(b"\n")[2]


def _is_record(line):
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "op_code" in record

"""Studies on disk or in memory: opened, or refused with the reason."""

import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

from skmm.model_selection._tuning.optional import import_optuna

NAME = "ModalitySearchCV"  # of a study that the user does not name
OF = "skmm"  # attribute of the study that says what it is of
FIX = (
    'Give the path of a journal, as "study.log", in a folder that exists, or the URL '
    'of a database that answers, as "sqlite:///study.db".'
)
SECONDS = 60  # that a writer waits for other writers of an SQLite file


def open_study(storage, name, sampler, pruner):
    """Make a study, or go on with the one of that name.

    Parameters
    ----------
    storage : path-like, URL, Optuna storage or None
        None keeps it in memory.
    name : str or None
    sampler, pruner : of Optuna, or None
        No pruner never prunes.

    Raises
    ------
    ValueError
        If the storage cannot be reached or read.
    """
    optuna = import_optuna()
    with _naming(storage):
        return optuna.create_study(
            storage=open_storage(storage),
            study_name=NAME if name is None else name,
            direction="maximize",
            sampler=sampler,
            pruner=optuna.pruners.NopPruner() if pruner is None else pruner,
            load_if_exists=True,
        )


def open_storage(storage):
    """Storage object of a path, a URL or nothing; an object is used as it is."""
    optuna = import_optuna()
    if storage is None:
        return optuna.storages.InMemoryStorage()
    if isinstance(storage, optuna.storages.BaseStorage):
        return storage
    text = os.fspath(storage)
    return _database(text) if "://" in text else _journal(text)


def is_shared(storage):
    """Whether other processes can reach a storage."""
    optuna = import_optuna()
    return not isinstance(storage, (type(None), optuna.storages.InMemoryStorage))


def _database(url):
    wait = {"connect_args": {"timeout": SECONDS}} if url.startswith("sqlite") else None
    return import_optuna().storages.RDBStorage(url, engine_kwargs=wait)


def _journal(path):
    journal = import_optuna().storages.journal
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError("there is no such folder")
    if Path(path).is_file() and Path(path).stat().st_size:
        _refuse_other_file(path)  # a journal would write to its end
    lock = journal.JournalFileOpenLock(path) if os.name == "nt" else None
    backend = journal.JournalFileBackend(path, lock_obj=lock)
    return import_optuna().storages.JournalStorage(backend)


def _refuse_other_file(path):
    with Path(path).open("rb") as file:
        line = file.readline()
    try:
        known = "op_code" in json.loads(line)
    except (ValueError, TypeError):
        known = False
    if not known:
        raise ValueError("the file there is no journal of Optuna, or damaged")


@contextmanager
def _naming(storage):
    """Turn what drivers and files raise into an error that says what to give."""
    try:
        yield
    except Exception as error:
        shown = re.sub(r"://[^@/]*@", "://***@", str(storage))
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise ValueError(
            f"storage={shown!r} cannot be used: {type(error).__name__}: {reason}. {FIX}"
        ) from error


def claim(study, key):
    """Say what a study is of; refuse one of something else.

    Parameters
    ----------
    study : Study
    key : dict of str to str
        A digest for each part of what is searched.

    Raises
    ------
    ValueError
        That names the parts that differ.
    """
    name, known = study.study_name, study.user_attrs.get(OF)
    if known is None:
        if study.direction.name != "MAXIMIZE" or _has_results(study):
            raise ValueError(
                f"study_name={name!r}: the storage has a study of that name that "
                "ModalitySearchCV has not made. Give another name."
            )
        study.set_user_attr(OF, key)
        known = study.user_attrs[OF]  # of who came first, or last
    other = [part for part, digest in key.items() if known.get(part) != digest]
    if other:
        raise ValueError(
            f"study_name={name!r} in that storage is of another search: it has other "
            f"{', '.join(other)}. Give another study_name or storage; splits are the "
            "same if cv is a number, or a splitter with a fixed random_state."
        )


def _has_results(study):
    return any(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))

"""Studies on disk: resumed, rejected, and storages that cannot be used."""

import json
import time

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from skmm import FusionClassifier
from skmm.model_selection import ModalitySearchCV
from skmm.model_selection._optuna import heartbeat
from skmm.model_selection._optuna import storage as storage_module
from skmm.model_selection._optuna.evaluation import Evaluation, Result
from skmm.model_selection._optuna.storage import open_study
from skmm.model_selection._optuna.worker import Worker
from tests.toys import two_tables

optuna = pytest.importorskip("optuna")

X, Y = two_tables(60)
TABLE = np.hstack([X["a"], X["b"]])
SPACE = {"C": loguniform(1e-3, 10)}


def search(storage, model=None, space=SPACE, **params):
    params = {"n_trials": 5, "cv": 3, "random_state": 0, **params}
    model = LogisticRegression() if model is None else model
    return ModalitySearchCV(model, space, storage=storage, **params)


def of_kind(kind, folder):
    if kind == "journal":
        return folder / "study.log"
    if kind == "sqlite":
        return f"sqlite:///{folder}/study.db"
    return optuna.storages.InMemoryStorage()


@pytest.mark.parametrize("kind", ["journal", "sqlite", "object"])
def test_a_study_is_resumed(kind, tmp_path):
    storage = of_kind(kind, tmp_path)
    first = search(storage).fit(TABLE, Y)
    more = search(storage, n_trials=14).fit(TABLE, Y)
    at_once = search(None, n_trials=14).fit(TABLE, Y)
    assert len(more.study_.trials) == 14
    assert more.cv_results_["params"] == at_once.cv_results_["params"]
    assert more.cv_results_["params"][:5] == first.cv_results_["params"]
    np.testing.assert_array_equal(
        more.cv_results_["mean_test_score"], at_once.cv_results_["mean_test_score"]
    )


def test_two_studies_in_one_storage(tmp_path):
    path = tmp_path / "study.log"
    a = search(path, study_name="a").fit(TABLE, Y)
    b = search(path, study_name="b", n_trials=3).fit(TABLE[:50], Y[:50])
    assert len(a.study_.trials) == 5 and len(b.study_.trials) == 3


class Slow(LogisticRegression):
    """Interrupts at the n-th fit."""

    fits, at = 0, 10**6

    def fit(self, X, y):
        Slow.fits += 1
        if Slow.fits == Slow.at:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_a_finished_study_trains_nothing_again(tmp_path, monkeypatch):
    search(tmp_path / "study.log", Slow()).fit(TABLE, Y)
    monkeypatch.setattr(Slow, "fits", 0)
    again = search(tmp_path / "study.log", Slow(), n_trials=3).fit(TABLE, Y)
    assert Slow.fits == 1  # the refit
    assert len(again.cv_results_["params"]) == 5


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_ctrl_c_loses_no_finished_trial(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(Slow, "fits", 0)
    monkeypatch.setattr(Slow, "at", 8)  # in the middle of the third trial
    storage = of_kind(kind, tmp_path)
    broken = search(storage, Slow())
    with pytest.raises(KeyboardInterrupt):
        broken.fit(TABLE, Y)
    states = [trial.state.name for trial in broken.study_.trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL"]
    found = search(storage, Slow()).fit(TABLE, Y)
    assert len(found.cv_results_["params"]) == 5
    assert Slow.fits == 8 + 9 + 1  # three more trials, and the refit
    lost, again = found.study_.trials[2:4]
    assert lost.params == again.params and again.user_attrs["retry_of"] == 2
    whole = search(None, Slow()).fit(TABLE, Y)
    assert found.cv_results_["params"] == whole.cv_results_["params"]


def test_draws_after_ctrl_c_are_those_without(tmp_path, monkeypatch):
    """Also after the tenth trial, when TPE uses earlier trials."""
    whole = search(None, Slow(), n_trials=14).fit(TABLE, Y)
    broken = search(tmp_path / "study.log", Slow(), n_trials=14)
    for at in (8, 1, 29):
        monkeypatch.setattr(Slow, "fits", 0)
        monkeypatch.setattr(Slow, "at", at)
        with pytest.raises(KeyboardInterrupt):
            broken.fit(TABLE, Y)
    broken.fit(TABLE, Y)
    assert broken.cv_results_["params"] == whole.cv_results_["params"]


def test_ctrl_c_without_a_storage_leaves_the_study(monkeypatch):
    monkeypatch.setattr(Slow, "fits", 0)
    monkeypatch.setattr(Slow, "at", 8)
    broken = search(None, Slow())
    with pytest.raises(KeyboardInterrupt):
        broken.fit(TABLE, Y)
    assert len(broken.study_.best_trials) >= 1


def test_ctrl_c_in_a_batch_of_nets(tmp_path, monkeypatch):
    model = FusionClassifier(max_epochs=2, random_state=0)
    space, path = {"lr": loguniform(1e-3, 1e-1)}, tmp_path / "study.log"

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("skmm.model_selection._optuna.evaluation.fit_replicas", interrupt)
        with pytest.raises(KeyboardInterrupt):
            search(path, model, space).fit(X, Y)
    found = search(path, model, space).fit(X, Y)
    assert [t.state.name for t in found.study_.trials] == ["FAIL"] * 5 + [
        "COMPLETE"
    ] * 5
    lost = [t.params for t in found.study_.trials[:5]]
    assert [t.params for t in found.study_.trials[5:]] == lost


@pytest.mark.parametrize("scoring", [None, ["accuracy", "roc_auc"]])
def test_training_scores_of_a_resumed_study(scoring, tmp_path):
    path = tmp_path / "study.log"
    metrics = {"scoring": scoring, "refit": scoring[0] if scoring else True}
    name = scoring[1] if scoring else "score"
    search(path, n_trials=2, **metrics).fit(TABLE, Y)
    found = search(path, n_trials=2, return_train_score=True, **metrics).fit(TABLE, Y)
    assert np.isnan(found.cv_results_[f"mean_train_{name}"]).all()
    found = search(path, n_trials=4, return_train_score=True, **metrics).fit(TABLE, Y)
    known = np.isfinite(found.cv_results_[f"mean_train_{name}"])
    assert known.tolist() == [False, False, True, True]
    without = search(path, n_trials=5, **metrics).fit(TABLE, Y)
    assert np.isfinite(without.cv_results_[f"mean_test_{name}"]).all()
    assert f"mean_train_{name}" not in without.cv_results_


OTHERS = {
    "data": lambda path: search(path).fit(TABLE + 1, Y),
    "estimator": lambda path: search(path, LogisticRegression(tol=1e-3)).fit(TABLE, Y),
    "space": lambda path: search(path, space={"C": [1.0]}).fit(TABLE, Y),
    "splits": lambda path: search(path, cv=4).fit(TABLE, Y),
    "scoring": lambda path: search(path, scoring="roc_auc").fit(TABLE, Y),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_study_of_another_search_is_rejected(other, tmp_path):
    path = tmp_path / "study.log"
    search(path).fit(TABLE, Y)
    with pytest.raises(ValueError, match=f"another search, with different {other}"):
        OTHERS[other](path)
    assert len(search(path).fit(TABLE, Y).study_.trials) == 5


def test_random_splits_are_rejected_with_a_hint(tmp_path):
    path = tmp_path / "study.log"
    shuffled = KFold(3, shuffle=True)
    search(path, cv=shuffled).fit(TABLE, Y)
    with pytest.raises(ValueError, match=r"different splits.*fixed random_state"):
        search(path, cv=shuffled).fit(TABLE, Y)


def test_a_study_made_by_optuna_is_rejected(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(storage=url, study_name="mine")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(ValueError, match=r"'mine'.*was not made"):
        search(url, study_name="mine").fit(TABLE, Y)


def test_trials_that_the_user_has_queued_come_first(tmp_path):
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(
        storage=storage, study_name="queued", direction="maximize"
    )
    study.enqueue_trial({"C": 0.5})
    found = search(storage, study_name="queued").fit(TABLE, Y)
    assert found.cv_results_["params"][0] == {"C": 0.5}
    assert len(found.cv_results_["params"]) == 5


class Untouched(LogisticRegression):
    def fit(self, X, y):
        raise AssertionError("something was trained")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none" / "study.log", "folder does not exist"),
        (lambda folder: folder, "directory"),
        (lambda folder: f"sqlite:///{folder}/none/study.db", "unable to open"),
        (lambda folder: "nosuchkind://u:secret@host/db", "nosuchkind"),
        (
            lambda folder: "postgresql://u:secret@nowhere.invalid/db",
            "DB access module|connect",
        ),
    ],
)
def test_a_storage_that_cannot_be_reached_is_named(make, words, tmp_path):
    storage = make(tmp_path)
    with pytest.raises(ValueError, match=words) as caught:
        search(storage, Untouched(), error_score="raise").fit(TABLE, Y)
    message = str(caught.value)
    assert message.startswith("storage=") and "study.log" in message
    assert "secret" not in message


@pytest.mark.parametrize("content", [b"molecule,y\nCCO,1\n", b"\x00\xff\n", b"[1]\n"])
@pytest.mark.parametrize("kind", ["path", "sqlite"])
def test_another_file_is_rejected_and_kept(content, kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    storage = path if kind == "path" else f"sqlite:///{path}"
    with pytest.raises(ValueError, match=r"storage=.*(not a journal|not a database)"):
        search(storage, Untouched(), error_score="raise").fit(TABLE, Y)
    assert path.read_bytes() == content


def test_a_damaged_journal_is_rejected(tmp_path):
    path = tmp_path / "study.log"
    search(path).fit(TABLE, Y)
    lines = path.read_bytes().splitlines()
    lines[len(lines) // 2] = lines[len(lines) // 2][:5]
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(ValueError, match=r"storage=.*cannot be used"):
        search(path, Untouched(), error_score="raise").fit(TABLE, Y)


@pytest.mark.parametrize(
    "record",
    ['["op_code"]', '{"op_code": 0}', '{"op_code": 99}', '{"a": 1}', "null", "[1]"],
)
@pytest.mark.parametrize("first", [True, False])
def test_records_of_other_json_are_explained(record, first, tmp_path):
    path = tmp_path / "study.log"
    search(path, n_trials=1).fit(TABLE, Y)
    path.write_text((path.read_text() * (not first)) + record + "\n")
    message = r"storage=.*not a journal of Optuna, or is damaged"
    with pytest.raises(ValueError, match=message):
        search(path, Untouched(), error_score="raise").fit(TABLE, Y)


@pytest.mark.parametrize("left", ["some", "all but its end"])
def test_an_incomplete_last_line_is_repaired(left, tmp_path):
    path = tmp_path / "study.log"
    first = search(path).fit(TABLE, Y).cv_results_
    whole = path.read_bytes()
    record = whole.splitlines()[-1]
    path.write_bytes(whole + (record[:25] if left == "some" else record))
    found = search(path, n_trials=7).fit(TABLE, Y).cv_results_
    assert found["params"][:5] == first["params"] and len(found["params"]) == 7
    lines = path.read_text().splitlines()
    assert all("op_code" in json.loads(line) for line in lines)
    assert path.read_bytes().startswith(whole)


def test_a_trial_with_an_incomplete_result_runs_again(tmp_path):
    """Also by the process that wrote it, for instance after a full disk."""
    path = tmp_path / "study.log"
    first = search(path).fit(TABLE, Y).cv_results_["params"]
    path.write_bytes(path.read_bytes()[:-20])
    found = search(path, timeout=20).fit(TABLE, Y)
    assert found.cv_results_["params"] == first
    assert [t.state.name for t in found.study_.trials] == [
        *["COMPLETE"] * 4,
        *("FAIL", "COMPLETE"),
    ]


def test_a_trial_that_no_process_has_claimed_runs_again_soon(tmp_path, monkeypatch):
    """As after a full disk at its start."""
    monkeypatch.setattr(heartbeat, "UNCLAIMED", 2)
    path = tmp_path / "study.log"
    search(path, n_trials=2).fit(TABLE, Y)
    open_study(str(path), None, None, None).ask()
    start = time.monotonic()
    with pytest.warns(RuntimeWarning, match=r"waiting for trial 2: its process"):
        found = search(path, n_trials=3).fit(TABLE, Y)
    assert time.monotonic() - start < heartbeat.SILENCE / 2
    assert len(found.cv_results_["params"]) == 3


def test_other_writers_continue_after_an_incomplete_line(tmp_path):
    path = str(tmp_path / "study.log")
    study = open_study(path, None, None, None)
    study.ask()
    with open(path, "ab") as file:
        file.write(b'{"op_code":4,' + b"x" * 2**17)
    study.ask()
    assert len(open_study(path, None, None, None).trials) == 2


@pytest.mark.parametrize("content", [b"", b"a", b"\n", b"a\nb", b"a\nb\n", b"\n\na"])
@pytest.mark.parametrize("block", [1, 2, 100])
def test_incomplete_line(content, block, tmp_path, monkeypatch):
    monkeypatch.setattr(storage_module, "BLOCK", block)
    path = tmp_path / "file"
    path.write_bytes(content)
    assert storage_module.incomplete_line(path) == content.split(b"\n")[-1]


def test_the_journal_is_json(tmp_path):
    space = {"solver": ["lbfgs", "newton-cg"], "C": loguniform(0.1, 1)}
    search(tmp_path / "study.log", space=space, n_trials=1).fit(TABLE, Y)
    lines = (tmp_path / "study.log").read_text().splitlines()
    assert all("op_code" in json.loads(line) for line in lines)


def test_memory_is_not_shared_between_processes():
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(ValueError, match="got an InMemoryStorage"):
        search(storage, Untouched(), n_jobs=2).fit(TABLE, Y)


@pytest.mark.parametrize("fails", [True, False])
def test_a_late_result_is_ignored(fails, tmp_path, monkeypatch):
    """Its process was believed dead, and the trial has run elsewhere."""
    evaluate = Evaluation.fold_by_fold

    def buried(self, trial, params):
        if trial.number == 1:
            trial.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            if fails:
                return Result([], error="late", cause=RuntimeError("late"))
        return evaluate(self, trial, params)

    monkeypatch.setattr(Evaluation, "fold_by_fold", buried)
    found = search(tmp_path / "study.log", error_score="raise").fit(TABLE, Y)
    assert found.cv_results_["trial_number"].tolist() == [0, 2, 3, 4, 5]


def test_a_result_of_a_trial_finished_meanwhile_is_ignored(tmp_path, monkeypatch):
    store = Worker._store

    def late(self, study, trial, result, value):
        if trial.number == 1:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        store(self, study, trial, result, value)

    monkeypatch.setattr(Worker, "_store", late)
    found = search(tmp_path / "study.log").fit(TABLE, Y)
    assert found.cv_results_["trial_number"].tolist() == [0, 2, 3, 4, 5]

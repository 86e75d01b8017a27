"""Several processes on one study, some of which are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

from skmm.model_selection._optuna import heartbeat, setup
from skmm.model_selection._optuna.storage import open_storage, open_study
from skmm.model_selection._optuna.trial_slots import TrialSlots
from skmm.model_selection._optuna.worker import create_study, finished_trials
from tests.model_selection.workers import ENDS, HOLD, START, TABLE, Y, search

optuna = pytest.importorskip("optuna")
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="ended processes are seen in /proc"
)
ROOT = Path(__file__).parents[2]
SECONDS = 120


def started(storage, **environment):
    code = (
        "import sys; from tests.model_selection.workers import main; main(sys.argv[1])"
    )
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, storage],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def trials_of(storage):
    return open_study(storage, None, None, None).get_trials(deepcopy=False)


def count(trials, state):
    return sum(trial.state.name == state for trial in trials)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_worker_is_killed_and_the_others_finish(kind, tmp_path):
    """One holds a trial; another waits for it, and runs it when the first is gone."""
    journal, url = str(tmp_path / "study.log"), f"sqlite:///{tmp_path}/study.db"
    storage, mark = journal if kind == "journal" else url, tmp_path / "held"
    victim = started(storage, **{HOLD: str(mark)})
    helper = started(storage, **{START: str(mark)})
    try:
        wait_for(mark.exists)
        wait_for(lambda: count(trials_of(storage), "COMPLETE") == 5)
        (held,) = (t for t in trials_of(storage) if t.state.name == "RUNNING")
        assert helper.poll() is None  # it waits for the victim's trial
        victim.send_signal(signal.SIGKILL)
        found = search(storage).fit(TABLE, Y)  # a third process joins
        out, errors = helper.communicate(timeout=SECONDS)
    finally:
        victim.kill()
        helper.kill()
        victim.communicate()
    assert (out.strip(), helper.returncode) == ("6", 0), errors
    trials = found.study_.trials
    again = [t for t in trials if t.user_attrs.get("retry_of") == held.number]
    done = [t for t in trials if t.state.name == "COMPLETE"]
    again = [
        t for t in again if t.state.name != "FAIL"
    ]  # not duplicates that two processes queued
    assert count(trials, "WAITING") == count(trials, "RUNNING") == 0
    assert len(done) == 6 and len(again) == 1 and again[0] in done
    assert again[0].params == held.params == trials[held.number].params
    assert trials[held.number].state.name == "FAIL"
    assert len({t.params["C"] for t in done}) == 6
    assert found.cv_results_["trial_number"].tolist() == [t.number for t in done]


def test_processes_of_one_search_of_which_one_is_killed(tmp_path, monkeypatch):
    get_reusable_executor().shutdown()  # processes of other tests do not have ENDS
    monkeypatch.setenv(ENDS, str(tmp_path / "ended"))
    with pytest.warns(RuntimeWarning, match="was killed"):
        found = search(None, n_jobs=2, refit=False).fit(TABLE, Y)
    monkeypatch.undo()
    trials = found.study_.trials
    assert count(trials, "COMPLETE") == 6
    lost = [t for t in trials if t.user_attrs.get("lost") == "died"]
    again = [t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs]
    first = [t.number for t in lost if "retry_of" not in t.user_attrs]
    assert (
        first and sorted(again) == first
    )  # the other process may be killed in a retry
    alone = search(None, cv=3).fit(TABLE, Y)
    known = dict(zip(alone.cv_results_["param_C"], _means(alone), strict=True))
    ours = dict(zip(found.cv_results_["param_C"], _means(found), strict=True))
    shared = known.keys() & ours.keys()
    assert len(shared) >= 4 and all(known[C] == ours[C] for C in shared)


def _means(found):
    return found.cv_results_["mean_test_score"]


def test_an_error_in_processes_leaves_no_study(tmp_path, monkeypatch):
    """Nor running trials of processes that have ended."""
    ended = {**heartbeat.this_worker(), "pid": 2**22 + 1}

    def run(worker):
        def broken(worker_settings, location, jobs):
            open_study(*location).ask().set_user_attr("worker", worker)
            raise ValueError("what came is wrong")

        return broken

    path = str(tmp_path / "study.log")
    for worker, names in ((ended, []), (heartbeat.this_worker(), ["ModalitySearchCV"])):
        monkeypatch.setattr(setup, "run_processes", run(worker))
        with pytest.raises(ValueError, match="what came"):
            search(path, n_jobs=2).fit(TABLE, Y)
        storage = open_storage(path)
        assert optuna.get_all_study_names(storage) == names


# -- the same without processes ------------------------------------------------------


@pytest.fixture
def study():
    return create_study(None, None, None, None)


def run(slots, value=1.0):
    while (trial := slots.take()) is None:
        assert len(finished_trials(slots.study)) < slots.n_trials
    trial.suggest_float("x", 0, 1)
    slots.study.tell(trial, value)


def gone(slots):
    """Start a trial in a process that has ended."""
    trial = slots.take()
    x = trial.suggest_float("x", 0, 1)
    trial.set_user_attr("worker", {**heartbeat.this_worker(), "pid": 2**22 + 1})
    return x


def test_a_trial_of_a_dead_process_runs_again_once(study):
    slots = TrialSlots(study, 3)
    x = gone(slots)
    for _ in range(3):
        run(slots)
    assert slots.take() is None and len(finished_trials(study)) == 3
    assert [
        t.params["x"] for t in study.trials if t.user_attrs.get("retry_of") == 0
    ] == [x]


def test_parameters_that_kill_twice_are_given_up(study):
    slots = TrialSlots(study, 2)
    first, again = gone(slots), gone(slots)
    assert first == again
    run(slots)
    run(slots)
    assert slots.take() is None
    xs = [t.params["x"] for t in study.trials]
    assert xs.count(first) == 2 and len(finished_trials(study)) == 2


def test_a_live_process_keeps_its_slot(study):
    slots = TrialSlots(study, 1)
    slots.take()
    assert slots.take() is None and finished_trials(study) == []
    assert study.trials[0].state.name == "RUNNING"


def test_a_process_of_another_machine_is_dead_after_silence(study, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: clock[0])
    slots = TrialSlots(study, 1)
    trial = slots.take()
    trial.set_user_attr("worker", {"host": "far", "pid": 1, "started": 1})
    assert slots.take() is None
    clock[0] += heartbeat.SILENCE - 1
    with pytest.warns(RuntimeWarning, match=r"trial 0: process 1 on far.*runs again"):
        assert slots.take() is None
    trial.set_user_attr("beats", 1)
    clock[0] += heartbeat.SILENCE - 1
    assert slots.take() is None
    clock[0] += heartbeat.SILENCE + 1
    assert slots.take() is not None
    assert study.trials[0].user_attrs["lost"] == "died"


def test_heartbeat(study, monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT", 0.01)
    trial = study.ask()
    with heartbeat.Heartbeat([trial]):
        time.sleep(0.3)
    beats = study.trials[0].user_attrs["beats"]
    time.sleep(0.05)
    assert beats > 2 and study.trials[0].user_attrs["beats"] == beats


def test_a_zombie_has_ended():
    assert not heartbeat.has_ended(heartbeat.this_worker())
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started_at = heartbeat._started(process.pid)
    worker = {**heartbeat.this_worker(), "pid": process.pid, "started": started_at}
    assert not heartbeat.has_ended(worker)
    process.kill()
    wait_for(lambda: heartbeat.has_ended(worker))  # before wait() is called
    process.communicate()
    assert heartbeat.has_ended({**worker, "pid": os.getpid()})  # a reused pid


def test_of_two_that_take_the_last_slot_the_first_keeps_it(study, monkeypatch):
    a, b = TrialSlots(study, 1), TrialSlots(study, 1)
    asked = study.ask

    def ask():
        monkeypatch.setattr(study, "ask", asked)
        other = b.take()  # between the check of the slots and ask()
        assert other is not None
        return asked()

    monkeypatch.setattr(study, "ask", ask)
    assert a.take() is None
    assert [t.state.name for t in study.trials] == ["RUNNING", "FAIL"]


def test_a_dead_trial_is_queued_by_one_of_two_processes(study, monkeypatch):
    a, b = TrialSlots(study, 2), TrialSlots(study, 2)
    gone(a)
    queue = study.enqueue_trial

    def late(*args, **kwargs):
        monkeypatch.setattr(study, "enqueue_trial", queue)
        assert b.take() is not None  # fails it first, and runs it again
        queue(*args, **kwargs)

    monkeypatch.setattr(study, "enqueue_trial", late)
    assert a.take() is not None  # the other slot
    states = [t.state.name for t in study.trials]
    assert states == ["FAIL", "RUNNING", "FAIL", "RUNNING"]
    assert "retry_of" not in study.trials[3].user_attrs


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
@pytest.mark.parametrize("after", ["get_trial", "set_trial_user_attr"])
def test_a_dead_trial_is_failed_by_two_processes_at_once(
    kind, after, tmp_path, monkeypatch
):
    journal, url = str(tmp_path / "study.log"), f"sqlite:///{tmp_path}/study.db"
    storage = journal if kind == "journal" else url
    study, other = (open_study(storage, None, None, None) for _ in range(2))
    a, b = TrialSlots(study, 2), TrialSlots(other, 2)
    x = gone(a)
    original = getattr(study._storage, after)

    def late(*args, **kwargs):
        found = original(*args, **kwargs)
        monkeypatch.setattr(study._storage, after, original)
        b._fail_dead_trials()  # at the same time
        return found

    monkeypatch.setattr(study._storage, after, late)
    run(a)
    run(b)
    states = [t.state.name for t in study.trials]
    assert count(study.trials, "COMPLETE") == 2 and "WAITING" not in states
    again = [t for t in study.trials if t.user_attrs.get("retry_of") == 0]
    assert [t.params for t in again if t.state.name == "COMPLETE"] == [{"x": x}]


def test_an_error_of_a_lost_trial_is_ignored(study):
    slots = TrialSlots(study, 1)
    gone(slots)
    study._storage.set_trial_user_attr(0, "error", "ValueError")
    run(slots)
    assert [t.number for t in finished_trials(study)] == [1]


def test_retries_keep_their_order(study):
    slots = TrialSlots(study, 4)
    gone(slots)
    run(slots)  # the retry
    trial = slots.take()
    slots.give_back([trial])
    slots.give_back([slots.take()])  # a retry of a retry
    orders = [slots.order_of(slots.take()) for _ in range(3)]
    assert [t.user_attrs.get("retry_of") for t in study.trials[:5]] == [
        *(None, 0, None, 2, 3)
    ]
    assert orders == [1, 2, 3]


def test_a_retry_queued_twice_is_removed(study):
    slots = TrialSlots(study, 2)
    gone(slots)
    run(slots)
    for _ in range(2):
        study.enqueue_trial(study.trials[0].params, user_attrs={"retry_of": 0})
    run(slots)
    assert "WAITING" not in [t.state.name for t in study.trials]


def test_of_two_retries_one_runs(study):
    slots = TrialSlots(study, 2)
    gone(slots)
    run(slots)
    study.enqueue_trial(study.trials[0].params, user_attrs={"retry_of": 0})
    study.enqueue_trial(study.trials[0].params, user_attrs={"retry_of": 0})
    run(slots)
    assert slots.take() is None
    assert len(finished_trials(study)) == 2
    assert np.unique([t.params.get("x") for t in finished_trials(study)]).size == 2

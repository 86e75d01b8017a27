"""Which trials of a shared study count, and which process may start another.

A study has `n_trials` slots. A trial holds one while it waits, runs or has a result,
and lower numbers come first: if two processes request the last slot at once, both see
the same order, and the later one drops its trial. A trial whose process died is failed,
and its parameters are queued to run once more; until then it keeps its slot. Another
process may finish a trial first, because it also fails it, or because it believed this
process dead: whatever is written then is ignored without an error.
"""

from skmm.model_selection._optuna.heartbeat import (
    WORKER,
    Heartbeat,
    Watch,
    has_ended,
    registered,
    this_worker,
)
from skmm.model_selection._optuna.worker import LOST, has_result, unless_finished
from skmm.model_selection.search_space import import_optuna

RETRY_OF, DEATHS = "retry_of", "deaths"  # attributes of a trial
DIED, INTERRUPTED = "died", "interrupted"  # values of the attribute LOST
RETRIES = 1  # of parameters whose process died: they may be the cause


class TrialSlots:
    """The slots of a study that several processes may share.

    Parameters
    ----------
    study : Study
    n_trials : int
    """

    def __init__(self, study, n_trials):
        self.study, self.n_trials = study, n_trials
        self.states = import_optuna().trial.TrialState
        self.worker, self.watch = this_worker(), Watch()

    def joined(self):
        """Context in which this process runs trials."""
        return registered(self.worker)

    def running(self, trials):
        """Context in which trials are evaluated."""
        return Heartbeat(trials)

    def is_empty(self):
        """Whether no trial has a result, waits, or is run by a live process."""
        trials, running = self._trials(), self.states.RUNNING
        return not any(
            holds and not (t.state == running and has_ended(t.user_attrs.get(WORKER)))
            for t, holds in zip(trials, self._holds(trials), strict=True)
        )

    def take(self):
        """Start a trial; None if no slot is free."""
        self._fail_dead_trials()
        trials = self._trials()
        waiting = [t.number for t in trials if t.state == self.states.WAITING]
        before = waiting[0] if waiting else len(trials)
        if self._held(trials, before) >= self.n_trials:
            return None
        trial = self.study.ask()
        try:
            trial.set_user_attr(WORKER, self.worker)
            surplus = self._is_surplus(trial.number)
        except BaseException:
            self.give_back([trial])
            raise
        if surplus:
            self.drop([trial])
        return None if surplus else trial

    def _is_surplus(self, number):
        """Whether trials with lower numbers hold all slots, or retry the same trial."""
        trials = self._trials()
        known = self._holds(trials)[number]
        return not known or self._held(trials, number) >= self.n_trials

    def give_back(self, trials, reason=INTERRUPTED):
        """Fail trials that no process runs any more; their parameters run again."""
        for trial in trials:
            with unless_finished():
                storage = self.study._storage
                storage.set_trial_user_attr(trial._trial_id, LOST, reason)
                self._fail(trial)

    def drop(self, trials):
        """Fail trials whose parameters must not run again."""
        for trial in trials:
            with unless_finished():
                self._fail(trial)

    def is_finished(self, trial):
        """Whether this or another process has finished a trial."""
        return self.study._storage.get_trial(trial._trial_id).state.is_finished()

    def order_of(self, trial):
        """Return which draw of the study a trial is; a retry counts as its original."""
        trials, number = self._trials(), trial.number
        while (first := trials[number].user_attrs.get(RETRY_OF)) is not None:
            number = first
        return sum(RETRY_OF not in t.user_attrs for t in trials[:number])

    def _fail(self, trial):
        if not self.is_finished(trial):
            fail = self.states.FAIL
            self.study.tell(trial.number, state=fail, skip_if_finished=True)

    def _trials(self):
        return self.study.get_trials(deepcopy=False)

    def _held(self, trials, before):
        """Number of slots held by trials with a lower number."""
        return sum(self._holds(trials)[:before])

    def _holds(self, trials):
        """Whether each trial holds a slot."""
        retried, holds = set(), []
        for trial in trials:
            original = trial.user_attrs.get(RETRY_OF)
            again = original is not None and original in retried
            retried.add(original)
            open_or_done = not trial.state.is_finished() or has_result(trial)
            holds.append(not again and open_or_done)
        lost = {t.number for t in self._to_retry(trials)}
        return [h or t.number in lost for h, t in zip(holds, trials, strict=True)]

    def _to_retry(self, trials):
        """Return lost trials whose parameters are not yet queued again."""
        again = {trial.user_attrs.get(RETRY_OF) for trial in trials}
        return [
            trial
            for trial in trials
            if trial.state == self.states.FAIL
            and trial.number not in again
            and _may_run_again(trial)
        ]

    def _fail_dead_trials(self):
        """Fail trials whose process has ended, and queue their parameters again."""
        running = [t for t in self._trials() if t.state == self.states.RUNNING]
        self.give_back([t for t in running if self.watch.is_lost(t)], DIED)
        for trial in self._to_retry(self._trials()):
            died = trial.user_attrs[LOST] == DIED
            deaths = trial.user_attrs.get(DEATHS, 0) + died
            attributes = {RETRY_OF: trial.number, DEATHS: deaths}
            self.study.enqueue_trial(trial.params, user_attrs=attributes)
        self._drop_duplicates()

    def _drop_duplicates(self):
        """Keep one retry of a trial if several processes queued it at the same time."""
        retried, storage, states = set(), self.study._storage, self.states
        for trial in self._trials():
            original = trial.user_attrs.get(RETRY_OF)
            if original in retried and trial.state == states.WAITING:
                with unless_finished():  # or has started it, which is checked first
                    if storage.set_trial_state_values(trial._trial_id, states.RUNNING):
                        storage.set_trial_state_values(trial._trial_id, states.FAIL)
            if original is not None:
                retried.add(original)


def _may_run_again(trial):
    reason, deaths = trial.user_attrs.get(LOST), trial.user_attrs.get(DEATHS, 0)
    return reason == INTERRUPTED or (reason == DIED and deaths < RETRIES)

"""Which trials of a study count, and who may start another.

A study has `n_trials` places. A trial holds one while it waits, runs or has a result,
and lower numbers come first: if two processes ask for the last place at once, both see
the same order, and the later one gives its trial back. A trial whose process died is
failed and its parameters wait to be run again, once; until they do it keeps its place.
"""

from skmm.model_selection._tuning.alive import WORKER, Watch, this_worker
from skmm.model_selection._tuning.optional import import_optuna

ERROR, LOST, RETRY_OF, DEATHS = "error", "lost", "retry_of", "deaths"
DIED, INTERRUPTED = "died", "interrupted"
RETRIES = 1  # of parameters whose process died: they may be why


class Places:
    """The places of a study.

    Parameters
    ----------
    study : Study
    n_trials : int
    """

    def __init__(self, study, n_trials):
        self.study, self.n_trials = study, n_trials
        self.states = import_optuna().trial.TrialState
        self.worker, self.watch = this_worker(), Watch()

    def finished(self):
        """Trials that have a result: a score, none as they were pruned, or an error."""
        return [trial for trial in self._trials() if self.has_result(trial)]

    def has_result(self, trial):
        """Whether a trial counts as done."""
        states = self.states
        failed = trial.state == states.FAIL and ERROR in trial.user_attrs
        return failed or trial.state in (states.COMPLETE, states.PRUNED)

    def take(self):
        """Start a trial, or return None if all places are held."""
        self._bury()
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
        """Whether trials with lower numbers hold all places, or run the same again."""
        trials = self._trials()
        known = self._holds(trials)[number]
        return not known or self._held(trials, number) >= self.n_trials

    def give_back(self, trials, reason=INTERRUPTED):
        """Fail trials that nobody runs any more, so that their parameters run again."""
        for trial in trials:
            if not self.is_finished(trial):
                storage = self.study._storage
                storage.set_trial_user_attr(trial._trial_id, LOST, reason)
                self._fail(trial)

    def drop(self, trials):
        """Fail trials that shall not run again."""
        for trial in trials:
            if not self.is_finished(trial):
                self._fail(trial)

    def is_finished(self, trial):
        """Whether a trial has been told, by this process or another one."""
        return self.study._storage.get_trial(trial._trial_id).state.is_finished()

    def _fail(self, trial):
        fail = self.states.FAIL
        self.study.tell(trial.number, state=fail, skip_if_finished=True)

    def _trials(self):
        return self.study.get_trials(deepcopy=False)

    def _held(self, trials, before):
        """Number of places held by trials with a lower number."""
        return sum(self._holds(trials)[:before])

    def _holds(self, trials):
        """Whether each trial holds a place."""
        retried, holds = set(), []
        for trial in trials:
            original = trial.user_attrs.get(RETRY_OF)
            again = original is not None and original in retried
            retried.add(original)
            holds.append(not again and self._counts(trial))
        owed = {t.number for t in self._owed(trials)}
        return [h or t.number in owed for h, t in zip(holds, trials, strict=True)]

    def _counts(self, trial):
        return not trial.state.is_finished() or self.has_result(trial)

    def _owed(self, trials):
        """Lost trials whose parameters do not yet wait to be run again."""
        again = {trial.user_attrs.get(RETRY_OF) for trial in trials}
        return [
            trial
            for trial in trials
            if trial.state == self.states.FAIL
            and trial.number not in again
            and _may_run_again(trial)
        ]

    def _bury(self):
        """Fail trials whose process has ended; have their parameters run again."""
        running = [t for t in self._trials() if t.state == self.states.RUNNING]
        self.give_back([t for t in running if self.watch.is_lost(t)], DIED)
        for trial in self._owed(self._trials()):
            died = trial.user_attrs[LOST] == DIED
            deaths = trial.user_attrs.get(DEATHS, 0) + died
            attributes = {RETRY_OF: trial.number, DEATHS: deaths}
            self.study.enqueue_trial(trial.params, user_attrs=attributes)


def _may_run_again(trial):
    reason, deaths = trial.user_attrs.get(LOST), trial.user_attrs.get(DEATHS, 0)
    return reason == INTERRUPTED or (reason == DIED and deaths < RETRIES)

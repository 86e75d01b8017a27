"""From the trials of a study to what scikit-learn's searches report."""

import warnings

import numpy as np
from sklearn.exceptions import FitFailedWarning

from skmm.model_selection._tuning.places import ERROR
from skmm.model_selection._tuning.working import FOLDS

UNKNOWN = "One or more of the .* scores are non-finite"  # those of pruned trials

PATIENCE = (
    " Let the pruner wait longer: n_startup_trials, n_warmup_steps of MedianPruner."
)


class Results:
    """The finished trials of a study, in their order.

    Parameters
    ----------
    trials : list of FrozenTrial
    space : Space
    n_splits : int
    """

    def __init__(self, trials, space, n_splits):
        self.trials, self.n_splits = trials, n_splits
        self.params = [space.suggest(trial) for trial in trials]

    def refuse_none(self):
        """Raise an error if no trial has a score; warn of those that failed."""
        states = [trial.state.name for trial in self.trials]
        failed = [t for t in self.trials if ERROR in t.user_attrs]
        first = f" The first error: {failed[0].user_attrs[ERROR]}" if failed else ""
        if "COMPLETE" not in states or len(failed) == len(states):
            raise ValueError(
                f"no trial has a score: of {len(states)} in study_.trials, "
                f"{states.count('PRUNED')} were pruned and {len(failed)} failed.{first}"
                f"{PATIENCE if 'PRUNED' in states else ''}"
            )
        if failed:
            warnings.warn(
                f"{len(failed)} of {len(states)} trials failed.{first}",
                FitFailedWarning,
                stacklevel=4,
            )

    def formatted(self, search):
        """``cv_results_``, by what all searches of scikit-learn have.

        Parameters
        ----------
        search : BaseSearchCV
        """
        more = {
            "trial_number": [trial.number for trial in self.trials],
            "state": [trial.state.name for trial in self.trials],
        }
        like = next(t for t in self.trials if self._is_whole(t)).user_attrs[FOLDS][0]
        out = [fold for trial in self.trials for fold in self._folds(trial, like)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", UNKNOWN, UserWarning)
            return search._format_results(self.params, self.n_splits, out, more)

    def _is_whole(self, trial):
        return len(trial.user_attrs.get(FOLDS, [])) == self.n_splits

    def _folds(self, trial, like):
        """Scores and seconds of all folds; NaN, or `error_score`, of those not run."""
        known = trial.user_attrs.get(FOLDS, [])
        if ERROR in trial.user_attrs:
            known, missing = [], np.nan if trial.value is None else trial.value
        else:
            missing = np.nan
        blank = {key: _filled(value, missing) for key, value in like.items()}
        return [*known, *[blank] * (self.n_splits - len(known))]


def _filled(value, missing):
    return dict.fromkeys(value, missing) if isinstance(value, dict) else missing

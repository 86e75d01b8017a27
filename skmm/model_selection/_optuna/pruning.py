"""Reports to a pruner while a trial trains."""

import numpy as np
from sklearn.pipeline import Pipeline

from skmm.model_selection.search_space import import_optuna, label_of
from skmm.training import EpochCallback


def last_step(model):
    """Return the last step of a Pipeline, or the model itself."""
    return model.steps[-1][1] if isinstance(model, Pipeline) else model


def reports_epochs(model):
    """Whether every epoch can be reported."""
    last = last_step(model)
    return hasattr(last, "held_out") and "callbacks" in last.get_params(deep=False)


def comparable(model, space):
    """Remove from a default space what `check_comparable_losses` rejects.

    Parameters
    ----------
    model : estimator
    space : dict
    """
    last = last_step(model)
    bad = _changing(model, space, [last]) if reports_epochs(last) else []
    return {name: values for name, values in space.items() if name not in bad}


def check_comparable_losses(model, space):
    """Raise an error if the space makes the losses of trials incomparable.

    Parameters
    ----------
    model : estimator
    space : Space
    """
    whole, choices = _replaced(model, space)
    lasts = [last_step(model), *choices]
    reports = any(reports_epochs(last) for last in lasts)
    bad = _changing(model, space.names, lasts) if reports else []
    if len({_kind(last) for last in choices}) > 1:
        bad += whole
    if bad:
        raise ValueError(
            f"pruner compares the validation losses of trials, but {bad} in space "
            "changes their scale or number. Remove it from the space, or search "
            "without a pruner."
        )


def _changes_loss(last):
    return {*getattr(last, "_changes_loss", ())}


def _changing(model, names, lasts):
    """Return the parameters of the last step that change its loss."""
    prefix = f"{model.steps[-1][0]}__" if isinstance(model, Pipeline) else ""
    own = [name for name in names if name.startswith(prefix)]
    bad = set().union(*map(_changes_loss, lasts))
    return [n for n in own if n.removeprefix(prefix).split("__")[0] in bad]


def _replaced(model, space):
    """Return the names by which a space replaces the last step, and the choices."""
    if not isinstance(model, Pipeline):
        return [], []
    names = ["steps", model.steps[-1][0]]
    whole, lasts = [name for name in names if name in space.names], []
    for part in space.parts:
        found = [part[name] for name in whole if name in part]
        lasts += [] if found else [last_step(model)]
        for drawn in found:
            lasts += [
                c[-1][1] if drawn.key == "steps" else c for c in drawn.choices or ()
            ]
    return whole, lasts if whole else []


def _kind(last):
    """Return what two last steps with comparable losses have in common."""
    if not reports_epochs(last):
        return None
    params = last.get_params(deep=False)
    own = [
        (name, label_of(params[name]))
        for name in sorted(_changes_loss(last) & {*params})
    ]
    return type(last), *own


class Report:
    """Reports folds and epochs to a trial; greater is better.

    After each epoch the value is minus the mean of its validation loss and those of
    the folds before. The loss is that of the validation set of early stopping, if
    there is one, else of the test samples of the fold. For estimators without
    callbacks it is the mean score after each fold. If no test sample belongs to a
    class of the training samples, nothing is reported.

    Parameters
    ----------
    trial : Trial
    """

    def __init__(self, trial):
        self.trial, self.losses = trial, []

    def follow(self, model, fold, X, y):
        """Add a callback that reports epochs to an unfitted model, if possible.

        Parameters
        ----------
        model : estimator
        fold : int
        X : ModalityDict or array-like
            Test samples of the fold.
        y : array-like or None
        """
        if reports_epochs(model):
            last, epochs = last_step(model), _Epochs(self, model, fold, X, y)
            callbacks = [*(last.callbacks or []), EpochCallback(epochs)]
            last.set_params(callbacks=callbacks)

    def end_fold(self, model, fold, scores):
        """Keep the final loss of a fold; report the score if there were no epochs."""
        if reports_epochs(model):
            reached = _reached(last_step(model), self.latest)
            self.losses += [] if reached is None else [reached]
        else:
            self.send(float(np.mean(scores)), fold)

    def send(self, value, step):
        """Report to the trial; raises ``TrialPruned`` if it is not promising."""
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise import_optuna().TrialPruned


def _reached(last, latest):
    """Return the loss of the weights that a fit has kept."""
    if last.early_stopping_:
        return min(row["valid_loss"] for row in last.net_.history)
    return latest


class _Epochs:
    """Callable that reports every epoch of one fold."""

    def __init__(self, report, model, fold, X, y):
        self.report, self.model, self.fold = report, model, fold
        self.X, self.y, self.rows = X, y, ()

    def __deepcopy__(self, memo):
        return self  # estimators copy callbacks; the trial must stay the same

    def __sklearn_clone__(self):
        return self

    def __call__(self, net):
        last, epoch = last_step(self.model), len(net.history) - 1
        loss = net.history[-1].get("valid_loss") if last.early_stopping_ else None
        self.report.latest = self._held_out(net) if loss is None else loss
        if self.report.latest is None:
            return
        total = (
            sum(s.epochs or net.max_epochs for s in net.stages or []) or net.max_epochs
        )
        mean = np.mean([*self.report.losses, self.report.latest])
        self.report.send(-float(mean), self.fold * total + epoch)

    def _held_out(self, net):
        if self.rows == ():
            X, model = self.X, self.model
            if isinstance(model, Pipeline) and len(model.steps) > 1:
                X = model[:-1].transform(X)
            self.rows = last_step(model).held_out(net, X, self.y)
        return None if self.rows is None else net.loss_on(*self.rows)

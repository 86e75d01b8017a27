"""What a pruner is told while a trial trains."""

import numpy as np
from sklearn.pipeline import Pipeline

from skmm.model_selection._tuning.optional import import_optuna
from skmm.training import AfterEpoch

CHANGES = {  # parameters by which losses of trials would not compare
    *("objective", "loss", "class_weight", "stages", "max_epochs", "early_stopping"),
    *("beta", "boosted", "margin", "focal", "candidate_weights", "mixtures"),
}


def last_step(model):
    """The estimator that trains: the last step of a Pipeline, or the model itself."""
    return model.steps[-1][1] if isinstance(model, Pipeline) else model


def reports_epochs(model):
    """Whether a pruner can be told of every epoch."""
    last = last_step(model)
    return hasattr(last, "held_out") and "callbacks" in last.get_params(deep=False)


def refuse_other_losses(model, names):
    """Refuse a pruner where the losses of different trials would not compare.

    Parameters
    ----------
    model : estimator
    names : list of str
        What is searched.
    """
    if not reports_epochs(model):
        return
    prefix = f"{model.steps[-1][0]}__" if isinstance(model, Pipeline) else ""
    own = [name for name in names if name.startswith(prefix)]
    bad = [n for n in own if n.removeprefix(prefix).split("__")[0] in CHANGES]
    if bad:
        raise ValueError(
            f"pruner: trials are compared by their validation losses, but {bad} in "
            "space would make these differ in scale or in number. Take that out of "
            "the space, or search without a pruner."
        )


class Report:
    """Tells a trial what its folds and epochs have reached; greater is better.

    After each epoch that is minus the validation loss, the mean of this epoch's and of
    those of the folds before. It is of the rows that early stopping sets aside, if it
    does, else of the fold held out. For estimators without callbacks it is the mean
    score, after each fold.

    Parameters
    ----------
    trial : Trial
    """

    def __init__(self, trial):
        self.trial, self.losses = trial, []

    def follow(self, model, fold, X, y):
        """Add to an unfitted model what reports its epochs, if that is possible.

        Parameters
        ----------
        model : estimator
        fold : int
        X, y
            Rows of the fold held out.
        """
        if reports_epochs(model):
            last, epochs = last_step(model), _Epochs(self, model, fold, X, y)
            callbacks = [*(last.callbacks or []), AfterEpoch(epochs)]
            last.set_params(callbacks=callbacks)

    def end_fold(self, model, fold, scores):
        """Note what a fold has reached; tell the score if there were no epochs."""
        if reports_epochs(model):
            self.losses.append(_reached(last_step(model), self.latest))
        else:
            self.tell(float(np.mean(scores)), fold)

    def tell(self, value, step):
        """Tell the trial; raises ``TrialPruned`` if that is not promising."""
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise import_optuna().TrialPruned


def _reached(last, latest):
    """Loss of the weights that a fit has kept."""
    if last.early_stopping:
        return min(row["valid_loss"] for row in last.net_.history)
    return latest


class _Epochs:
    """Called after every epoch of one fold."""

    def __init__(self, report, model, fold, X, y):
        self.report, self.model, self.fold = report, model, fold
        self.X, self.y, self.rows = X, y, None

    def __deepcopy__(self, memo):
        return self  # estimators copy callbacks; the trial that is told stays the same

    def __sklearn_clone__(self):
        return self

    def __call__(self, net):
        last, epoch = last_step(self.model), len(net.history) - 1
        loss = net.history[-1].get("valid_loss") if last.early_stopping else None
        self.report.latest = self._held_out(net) if loss is None else loss
        total = (
            sum(s.epochs or net.max_epochs for s in net.stages or []) or net.max_epochs
        )
        mean = np.mean([*self.report.losses, self.report.latest])
        self.report.tell(-float(mean), self.fold * total + epoch)

    def _held_out(self, net):
        if self.rows is None:
            X, model = self.X, self.model
            if isinstance(model, Pipeline) and len(model.steps) > 1:
                X = model[:-1].transform(X)
            self.rows = last_step(model).held_out(net, X, self.y)
        return net.loss_on(*self.rows)

"""The two faces of a net: classes and their probabilities, or values."""

import pandas as pd
from sklearn.base import (
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from skmm._sklearn import VisualBlock
from skmm.base.training_data import to_rows
from skmm.data import check_modalities
from skmm.data.tensors import TensorRows
from skmm.targets.classes import ClassTarget, ValueTarget
from skmm.training import history_frame, predict_outputs


class ClassifierFace(ClassifierMixin):
    """Predictions of an estimator whose outputs are logits."""

    def _learn_target(self, y, weight=None, classes=None):
        target = ClassTarget.learn(y, classes)
        if target.n_outputs < 2 and not target.multilabel:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; y has only one "
                f"class, {target.classes_.tolist()[0]!r}."
            )
        self.classes_ = target.classes_
        return target

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, from the present weights if there are any.

        Parameters
        ----------
        X, y
            As for `fit`.
        classes : array-like, optional
            All classes, at the first call, where y does not have them all.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight, classes)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
            A modality may be missing in some rows, or, if it was so at fit, at all.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns as `classes_`; for multilabel targets one probability per label.
        """
        outputs = self._outputs(X)
        return self._target.proba(outputs)

    def decision_function(self, X):
        """Logits; for two classes the second minus the first.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,) for two classes, else (n, n_classes)
        """
        outputs = self._outputs(X)
        return self._target.decision(outputs)

    def predict(self, X):
        """Most probable class, or for multilabel targets zeros and ones.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,) or (n, n_labels)
        """
        outputs = self._outputs(X)
        return self._target.decode(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class RegressorFace(RegressorMixin):
    """Predictions of an estimator whose outputs are standardised values."""

    def _learn_target(self, y, weight=None, classes=None):
        return ValueTarget.learn(y, weight)

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, from the present weights if there are any.

        Location and scale of y are those of the first call.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight)

    def predict(self, X):
        """Values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
            A modality may be missing in some rows, or, if it was so at fit, at all.

        Returns
        -------
        ndarray of shape (n,) or (n, k), as y was
        """
        outputs = self._outputs(X)
        return self._target.decode(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class EmbeddingFace(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Outputs and embeddings of an estimator that holds `net_`."""

    def _outputs(self, X, method="forward"):
        check_is_fitted(self, "net_")
        rows = X if isinstance(X, TensorRows) else self._rows(X)
        return predict_outputs(self.net_.module_, rows, method=method)

    def _rows(self, X):
        X, module = check_modalities(X, self, reset=False), self.net_.module_
        device = next((p.device for p in module.parameters()), self.net_.device)
        return to_rows(X, module, device)

    def _encoded(self, X):
        """Rows with embeddings in place of modalities, for many predictions.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        TensorRows
            The predictions of classes, probabilities and values take it for X.
        """
        check_is_fitted(self, "net_")
        rows = self._rows(X)
        found = predict_outputs(self.net_.module_, rows, method="encode")
        device = next(iter(rows.x.values()))[:1].device
        return rows.with_embeddings({n: out.to(device) for n, out in found.items()})

    def transform(self, X):
        """Fused embedding, the input of the head.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n, width), float32
        """
        return self._outputs(X, "fuse").numpy()

    def embed(self, X):
        """Embedding of each modality, the input of the fusion.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        dict of str to ndarray of shape (n, width), float32
            Zeros where the modality is missing.
        """
        return {n: out.numpy() for n, out in self._outputs(X, "encode").items()}

    @property
    def encoders_(self):
        """The trained encoder of each modality, to start another model from."""
        check_is_fitted(self, "net_")
        return dict(self.net_.module_.encoders.items())

    @property
    def history_(self):
        """One row per epoch: epoch, train_loss, valid_loss if any, dur in seconds."""
        check_is_fitted(self, "net_")
        return history_frame(self.net_.history)

    @property
    def _n_features_out(self):
        return self.net_.module_.fused_features


class WeighsModalities:
    """Adds `modality_weights_`, where the net's fusion or head has such weights."""

    @property
    def modality_weights_(self):
        """Weight of each modality, and of each interaction that the fusion knows.

        Returns
        -------
        DataFrame
            The column "weight"; with ``LpNormFusion`` also "variance_share", the share
            of the block in the variance of the outputs in training.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        AttributeError
            If its fusion has no such weights.
        """
        check_is_fitted(self, "net_")
        module = self.net_.module_
        for part in (module.head, module.fusion):
            if hasattr(part, "modality_weights"):
                return _table(part)
        raise AttributeError(
            f"{type(module.fusion).__name__} has no weights of modalities; "
            "LpNormFusion and NoHarmFusion have."
        )


def _table(part):
    columns = {"weight": part.modality_weights()}
    if hasattr(part, "variance_shares"):
        columns["variance_share"] = part.variance_shares()
    return pd.DataFrame(columns).rename_axis("block")


class EncodersDiagram:
    """Mixin: encoders side by side."""

    def _sk_visual_block_(self):
        if not isinstance(self.encoders, dict):
            name = type(self).__name__
            return VisualBlock("single", self, names=name, name_details=str(self))
        names, parts = list(self.encoders), list(self.encoders.values())
        return VisualBlock("parallel", parts, names=names)

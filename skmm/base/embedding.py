"""What a trained net shows: outputs, embeddings, history."""

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm.base.problem import to_rows
from skmm.data import check_modalities
from skmm.data.tensors import TensorRows
from skmm.training import history_frame, predict_outputs


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

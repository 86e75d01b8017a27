"""What a trained net shows: outputs, embeddings, history."""

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm.base.problem import to_rows
from skmm.data import check_modalities
from skmm.training import history_frame, predict_outputs


class EmbeddingFace(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Outputs and embeddings of an estimator that holds `net_`."""

    def _outputs(self, X, method="forward"):
        check_is_fitted(self, "net_")
        X = check_modalities(X, self, reset=False)
        module = self.net_.module_
        device = next((p.device for p in module.parameters()), self.net_.device)
        rows = to_rows(X, module, device)
        return predict_outputs(module, rows, method=method)

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
        return self.net_.module_.fusion.out_features

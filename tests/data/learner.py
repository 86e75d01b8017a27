"""An estimator that does nothing but check its data, and data for it."""

import numpy as np
from sklearn.base import BaseEstimator

from skmm import ModalityDict
from skmm.data import check_modalities

TABLE = np.arange(6.0).reshape(3, 2)


class Learner(BaseEstimator):
    """Meets data at the door, as every estimator does, and learns nothing."""

    def fit(self, X, **checks):
        self.fitted_ = check_modalities(X, self, **checks)
        return self

    def again(self, X, **checks):
        return check_modalities(X, self, reset=False, **checks)


def both(n=4):
    return ModalityDict(
        image=np.arange(2.0 * n).reshape(n, 1, 2), text=[f"row {i}" for i in range(n)]
    )

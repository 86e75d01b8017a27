"""Constraints of the arguments that functions on estimators share."""

from numbers import Integral, Real

from skmm._params import Instance
from skmm._sklearn import Interval, StrOptions

ESTIMATOR = [Instance(["fit", "get_params", "set_params"], "an estimator")]
FITTED = [Instance(["fit"], "a fitted estimator")]
N_JOBS = [Integral, None]
MEMORY = [Interval(Integral, 1, None, closed="left")]
ERROR_SCORE = [StrOptions({"raise"}), Real]
SCORING = [str, callable, None]

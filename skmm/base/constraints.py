"""Allowed values of the parameters of training, which all estimators of nets share."""

from numbers import Integral, Real
from os import PathLike

from skmm._sklearn import Interval, StrOptions
from skmm.training import optimizers
from skmm.training.schedules import SCHEDULES

OF_TRAINING = {
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    "objective": [str, callable, None],
    "stages": [list, tuple, None],
    "optimizer": [StrOptions(set(optimizers.NAMES)), callable],
    "lr": [Interval(Real, 0, None, closed="neither"), dict],
    "weight_decay": [Interval(Real, 0, None, closed="left"), dict],
    "lr_schedule": [StrOptions(set(SCHEDULES)), callable, None],
    "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean", StrOptions({"auto", "keep_start"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "monitor": [str, callable],
    "class_weight": [dict, list, StrOptions({"balanced"}), None],
    "warm_start": ["boolean"],
    "callbacks": [list, None],
    "checkpoint": [str, PathLike, None],
    "compile": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

"""Evaluation of trials, and studies shared by processes, for `ModalitySearchCV`."""

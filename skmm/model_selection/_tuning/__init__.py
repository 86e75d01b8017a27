"""The parts of `ModalitySearchCV`."""

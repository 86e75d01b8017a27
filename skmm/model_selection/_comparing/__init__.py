"""The parts of `compare_modalities`."""

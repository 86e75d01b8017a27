"""Fits, cache, verdict and plots of `compare_modalities`."""

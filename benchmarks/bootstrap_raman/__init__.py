"""Spectra and structures with 72 molecules: experiment 2 of the thesis (Liu, 2022)."""

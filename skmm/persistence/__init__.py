"""Saving fitted estimators to files without code, and loading them."""

"""Tools for those who write estimators and Blocks of their own."""

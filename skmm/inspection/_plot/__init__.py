"""Displays, which draw what `skmm.inspection` computes."""

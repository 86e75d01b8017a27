"""MulMix against its baselines (Liu et al., 2018)."""

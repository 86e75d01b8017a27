"""Residual fusion, gradient blending and dynamic fusion against plain training."""

"""Parts of the late fusions."""

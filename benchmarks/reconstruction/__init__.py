"""A rich modality from poor ones: experiment 1 of the thesis (Liu, 2022)."""

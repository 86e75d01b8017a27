"""Images and descriptors of molecules: experiment 3 of the thesis (Liu, 2022)."""

"""Between y and the tensors that a net is trained on."""

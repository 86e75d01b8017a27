"""Which device to use."""

import torch


def resolve_device(device):
    """Turn "auto", a name or a torch.device into a device that exists.

    Raises
    ------
    ValueError
        If the name is not known or the device is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        count = torch.cuda.device_count()
        raise ValueError(
            f"device={str(device)!r} does not exist here ({error}); use 'auto', 'cpu'"
            + (f" or 'cuda:0' … 'cuda:{count - 1}'." if count else ".")
        ) from error
    return device

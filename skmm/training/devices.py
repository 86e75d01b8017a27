"""Which device to use."""

import torch


def resolve_device(device):
    """Turn "auto", a name or a torch.device into a device that exists.

    Parameters
    ----------
    device : str or torch.device

    Raises
    ------
    ValueError
        If the name is not known or the device is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
        torch.zeros(1, device=device).cpu()  # the device "meta" has no values
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        count = torch.cuda.device_count()
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} does not exist here ({reason}); use 'auto', 'cpu'"
            + (f" or 'cuda:0' … 'cuda:{count - 1}'." if count else ".")
        ) from error
    return device

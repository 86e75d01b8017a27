"""Learning rates that change with the epochs."""

from torch.optim import lr_scheduler

NAMES = ("cosine", "plateau")


def make_schedule(schedule, optimizer, epochs):
    """Return a torch scheduler, to be stepped once per epoch, or None.

    Parameters
    ----------
    schedule : None, "cosine", "plateau", or callable
        "cosine" falls to zero over all epochs; "plateau" divides by ten when the
        validation loss (without one, the training loss) has not fallen for 5 epochs; a
        callable, as a scheduler class or a ``functools.partial`` of one, gets the
        optimizer.
    optimizer : torch.optim.Optimizer
    epochs : int
    """
    if schedule is None:
        return None
    if schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    if schedule == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)
    return schedule(optimizer)


def step_schedule(schedule, loss):
    """Advance by one epoch."""
    if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
        schedule.step(loss)
    else:
        schedule.step()

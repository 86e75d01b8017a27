"""Parts say by name what they give and read; those that do not fit are refused."""


def gives_of(part, before=()):
    """Names of the outputs of a part; () is a plain tensor.

    Parameters
    ----------
    part : Module
    before : tuple of str, default=()
        What the part before it gives, which some parts pass on.
    """
    names = getattr(part, "gives", ())
    return before if names is None else tuple(names)


def check_reads(reader, reads, giver, gives, fix):
    """Check that a part is given the outputs that it reads.

    Parameters
    ----------
    reader, giver : str
        What errors call the two parts, such as "head=MLPHead".
    reads, gives : tuple of str or None
        () is a plain tensor, None is unknown.
    fix : str
        What to do, for errors.

    Raises
    ------
    ValueError
        If a name is missing, or one of them is a plain tensor and the other is not.
    """
    if reads is None or gives is None:
        return
    if bool(reads) == bool(gives) and {*reads} <= {*gives}:
        return
    raise ValueError(
        f"{reader} reads {_told(reads)}, but {giver} gives {_told(gives)}. {fix}"
    )


def _told(names):
    if not names:
        return "a plain tensor"
    return f"the named output{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"


def check_head(head, fusion):
    """Check that a head reads what a fusion gives."""
    gives, reads = gives_of(fusion), getattr(head, "reads", ())
    if gives == ("mixtures", "available") or reads == ("mixtures", "available"):
        fix = "MulMixClassifier joins MixtureFusion with MixtureHead; else use "
    else:
        fix = "Use "
    if gives:
        fix += "a fusion of a plain tensor, such as ConcatFusion, or a head for these."
    else:
        fix += "a head that reads a plain tensor, such as MLPHead."
    names = f"head={type(head).__name__}", f"fusion={type(fusion).__name__}"
    check_reads(names[0], reads, names[1], gives, fix)


def check_plain(module, where):
    """Check that a net has one tensor of outputs."""
    head = getattr(module, "head", module)
    fix = "Use a head with one tensor of outputs, such as MLPHead."
    check_reads(where, (), f"head={type(head).__name__}", gives_of(module), fix)

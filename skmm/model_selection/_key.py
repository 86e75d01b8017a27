"""Digests that identify what a cache or a study belongs to."""

import hashlib

from skmm.training.fingerprint import describe


def key_of(**parts):
    """Return a digest of each part, equal in every process."""
    return {name: _digest(part) for name, part in parts.items()}


def _digest(part):
    digest = hashlib.blake2b(digest_size=16)
    for piece in describe(part):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()

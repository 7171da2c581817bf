"""Knowing a full disk by whatever error a library makes of it."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = ("no space left", "quota exceeded", *(f"os error {number})" for number in FULL))


def is_disk_full(error: BaseException) -> bool:
    """Whether the disk or somebody's share of it is full. safetensors, written in Rust, says so in its text only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    return any(words in str(error).lower() for words in WORDS)

"""Where tensors live and where randomness comes from."""

import os
import random

import numpy as np
import torch


def best_device() -> torch.device:
    """Choose the fastest device of this machine: CUDA, else Apple's MPS, else the CPU.

    The environment variable COURSE_DEVICE ("cpu", "cuda:1", "mps") overrides the choice. MPS has no float64.

    Returns:
        The device, to be passed to `tensor.to(device)`; nothing else in the course moves tensors.

    Raises:
        RuntimeError: COURSE_DEVICE names a device that this machine does not have.

    >>> import os
    >>> os.environ["COURSE_DEVICE"] = "cpu"
    >>> best_device()
    device(type='cpu')
    >>> del os.environ["COURSE_DEVICE"]
    """
    wanted = os.environ.get("COURSE_DEVICE", "").strip()
    if wanted:
        try:
            return torch.empty(0, device=wanted).device
        except (RuntimeError, AssertionError) as error:  # torch without CUDA raises AssertionError
            reason = str(error).splitlines()[0]
            raise RuntimeError(
                f"COURSE_DEVICE is {wanted!r}, which cannot be used here ({reason}); "
                "set it to cpu, or unset it to let the course choose"
            ) from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python's, NumPy's and torch's global generators (on all devices).

    Args:
        seed: 0 to 2**32 - 1.

    Returns:
        A generator of its own on the CPU with the same seed, for functions that take one.

    >>> generator = seed_everything(0)
    >>> first = torch.rand(2, generator=generator)
    >>> torch.equal(first, torch.rand(2, generator=seed_everything(0)))
    True
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  other people's code still draws from the global generator
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)

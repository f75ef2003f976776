"""The environment of child processes that compute with torch."""

from __future__ import annotations

import os

__all__ = ["environment"]


def environment() -> dict[str, str]:
    """One thread per core that this process may use, waiting without spinning; nothing from a hub.

    Threads that spin while they wait take the cores from whoever has work: on a busy 2-core machine a forward pass took
    five times as long and twice the CPU time with OpenMP's default.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "OMP_NUM_THREADS": str(cores or 1),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }

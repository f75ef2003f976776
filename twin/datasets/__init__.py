"""Training data: instruct samples from the author's own passages, split by document, checked for leaks."""

from twin.datasets.files import DatasetManifest, current, load, publish, save, stored, write_channels
from twin.datasets.instruct import VERSION, InstructDataset, Plan, build, plan, to_messages
from twin.datasets.leakage import Leak, leaks
from twin.datasets.writer import PROMPT_VERSION, InstructionCache, Writer

__all__ = [
    "PROMPT_VERSION",
    "VERSION",
    "DatasetManifest",
    "InstructDataset",
    "InstructionCache",
    "Leak",
    "Plan",
    "Writer",
    "build",
    "current",
    "leaks",
    "load",
    "plan",
    "publish",
    "save",
    "stored",
    "to_messages",
    "write_channels",
]

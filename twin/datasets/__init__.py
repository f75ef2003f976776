"""Training data: instruct samples from the author's own passages, split by document, checked for leaks."""

from twin.datasets.comparison import Difference, compare
from twin.datasets.estimate import Estimate, estimate
from twin.datasets.exporting import export
from twin.datasets.files import (
    DatasetManifest,
    current,
    load,
    manifest_of,
    publish,
    save,
    stored,
    versions,
    write_channels,
)
from twin.datasets.instruct import (
    LEADS_BACK,
    VERSION,
    FewShot,
    InstructDataset,
    InstructionSource,
    Likelihood,
    Plan,
    Reader,
    Search,
    Shown,
    Unfinished,
    build,
    canonical,
    plan,
    to_messages,
)
from twin.datasets.leakage import Leak, leaks
from twin.datasets.statistics import Statistics, statistics
from twin.datasets.writer import PROMPT_VERSION, InstructionCache, InstructionWriter, Writer

__all__ = [
    "LEADS_BACK",
    "PROMPT_VERSION",
    "VERSION",
    "DatasetManifest",
    "Difference",
    "Estimate",
    "FewShot",
    "InstructDataset",
    "InstructionCache",
    "InstructionSource",
    "InstructionWriter",
    "Leak",
    "Likelihood",
    "Plan",
    "Reader",
    "Search",
    "Shown",
    "Statistics",
    "Unfinished",
    "Writer",
    "build",
    "canonical",
    "compare",
    "current",
    "estimate",
    "export",
    "leaks",
    "load",
    "manifest_of",
    "plan",
    "publish",
    "save",
    "statistics",
    "stored",
    "to_messages",
    "versions",
    "write_channels",
]

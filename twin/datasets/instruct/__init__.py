"""Instruct data: which passages, which instruction for each, and what a training sample shows."""

from twin.datasets.instruct.building import InstructionSource, build
from twin.datasets.instruct.dataset import VERSION, InstructDataset, canonical, to_messages
from twin.datasets.instruct.planning import Plan, plan
from twin.datasets.instruct.reading import FewShot, Likelihood, Reader, Unfinished
from twin.datasets.instruct.search import LEADS_BACK, Search, Shown

__all__ = [
    "LEADS_BACK",
    "VERSION",
    "FewShot",
    "InstructDataset",
    "InstructionSource",
    "Likelihood",
    "Plan",
    "Reader",
    "Search",
    "Shown",
    "Unfinished",
    "build",
    "canonical",
    "plan",
    "to_messages",
]

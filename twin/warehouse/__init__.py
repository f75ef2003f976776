"""MongoDB: documents with revisions and tombstones, sources, outcomes of collection; interactions with feedback."""

from twin.warehouse.feedback import Feedback
from twin.warehouse.ingest import Progress
from twin.warehouse.interactions import AsyncInteractions
from twin.warehouse.lease import Lease
from twin.warehouse.looks import LastLook
from twin.warehouse.outcomes import Problem
from twin.warehouse.report import IngestReport, Outcome
from twin.warehouse.store import Warehouse

__all__ = [
    "AsyncInteractions",
    "Feedback",
    "IngestReport",
    "LastLook",
    "Lease",
    "Outcome",
    "Problem",
    "Progress",
    "Warehouse",
]

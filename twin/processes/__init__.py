"""Keeping processes: children that never outlive their parent, and the services among them that shall always run.

children.py      one running command, under a guard (`lifeline.py`) that ends it with its parent
logs.py          the file that a child's output goes to
ports.py         ports and the addresses made of them
handover.py      the socket and the word that a service gets from its supervisor
readiness.py     waiting until a child is of use
supervision.py   when a service counts as gone, and when it is started again
"""

from twin.processes.children import Child, alive, stopping
from twin.processes.handover import Listener, answers
from twin.processes.logs import LogFile
from twin.processes.ports import free_port, http_url
from twin.processes.readiness import wait_until
from twin.processes.supervision import Backoff, Keeper, Watch

__all__ = [
    "Backoff",
    "Child",
    "Keeper",
    "Listener",
    "LogFile",
    "Watch",
    "alive",
    "answers",
    "free_port",
    "http_url",
    "stopping",
    "wait_until",
]

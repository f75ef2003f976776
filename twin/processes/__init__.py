"""Keeping processes: children that never outlive their parent, their output, their ports, and when they are restarted.

children.py      one running command, under a guard (`lifeline.py`) that ends it with its parent
logs.py          the file that a child's output goes to
readiness.py     waiting until a child is of use
ports.py         ports and the addresses made of them
supervision.py   when something that ended is started again
"""

from twin.processes.children import Child, alive, stopping
from twin.processes.logs import LogFile
from twin.processes.ports import free_port, http_url
from twin.processes.readiness import answers, wait_until
from twin.processes.supervision import Backoff

__all__ = ["Backoff", "Child", "LogFile", "alive", "answers", "free_port", "http_url", "stopping", "wait_until"]

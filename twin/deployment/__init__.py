"""Which client stands for each outside system. The Dagster resources and the apps both ask here, and nowhere else.

`table` names the factory of every client for every deployment, `factories` makes them, `addresses` knows where the
outside systems are, and `Deployment` holds the clients of one home.
"""

from twin.deployment.clients import Deployment
from twin.deployment.factories import InstructionModel

__all__ = ["Deployment", "InstructionModel"]

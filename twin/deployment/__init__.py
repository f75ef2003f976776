"""Which client stands for each outside system. The Dagster resources and the apps both ask here, and nowhere else.

`table` names the factory of every client for every deployment, `factories` makes them, `addresses` knows where the
outside systems are, `Deployment` holds the clients of one home, and `destinations` says for people where all goes.
"""

from twin.deployment.clients import Deployment
from twin.deployment.destinations import Destination, destinations
from twin.deployment.factories import InstructionModel

__all__ = ["Deployment", "Destination", "InstructionModel", "destinations"]

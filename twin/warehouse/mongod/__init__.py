"""The embedded MongoDB server: a real `mongod`, a child of this process, run as a one-node replica set.

binaries.py      which mongod there are on this machine, and of what version
origin.py        which one made the data, and so which one may open it
address.py       the socket that it listens on, which no other user of the machine reaches
failures.py      why it ended, and what to do about it
server.py        starting and stopping it
repair.py        saving what can be read of damaged data
"""

from twin.warehouse.mongod.origin import Choice, choose
from twin.warehouse.mongod.repair import repair
from twin.warehouse.mongod.server import RunningMongod, answers, start

__all__ = ["Choice", "RunningMongod", "answers", "choose", "repair", "start"]

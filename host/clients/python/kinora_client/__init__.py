"""A client for Kinora, on the standard library alone.

- An append is sent again with the same ids if its answer is lost, and a command with the same key: nothing is done twice.
- A subscription goes on behind the last message when its connection breaks.
- A session sees what it has written itself, and never goes back behind what it has seen.
- What the host refuses is a `Problem`, with its kind and with what to do.
"""

from .client import Client, Rows, Session
from .connection import Retries
from .problems import Problem, Unreachable
from .subscription import Message, Subscription

__all__ = ["Client", "Message", "Problem", "Retries", "Rows", "Session", "Subscription", "Unreachable"]

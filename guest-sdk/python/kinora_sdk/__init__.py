"""The SDK for Kinora's projectors, upcasters and deciders in Python."""

from kinora_sdk.codec import HIDDEN
from kinora_sdk.decider import Claim, Decider, Rejection
from kinora_sdk.event import Event
from kinora_sdk.fault import Fault, InvalidArguments
from kinora_sdk.figures import Histogram, Summary
from kinora_sdk.projector import projector, query
from kinora_sdk.rows import Rows, Table, composite_key
from kinora_sdk.sketches.distinct import Distinct
from kinora_sdk.sketches.quantiles import Quantiles
from kinora_sdk.upcaster import DROP, Upcaster

__all__ = [
    "DROP", "HIDDEN", "Claim", "Decider", "Distinct", "Event", "Fault", "Histogram", "InvalidArguments", "Quantiles",
    "Rejection", "Rows", "Summary", "Table", "Upcaster", "composite_key", "projector", "query",
]  # fmt: skip

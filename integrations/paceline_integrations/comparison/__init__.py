"""One workload run by several policies on the simulated provider, in virtual time; and a picture of it."""

from ._plot import draw as draw
from ._policies import (
    POLICIES as POLICIES,
    Comparison as Comparison,
    Outcome as Outcome,
    Policy as Policy,
    Span as Span,
    compare as compare,
    run_policy as run_policy,
)
from ._servers import SERVERS as SERVERS, Server as Server
from ._workload import Request as Request, Workload as Workload, ideal_tokens as ideal_tokens

__all__ = [
    "POLICIES",
    "SERVERS",
    "Comparison",
    "Outcome",
    "Policy",
    "Request",
    "Server",
    "Span",
    "Workload",
    "compare",
    "draw",
    "ideal_tokens",
    "run_policy",
]

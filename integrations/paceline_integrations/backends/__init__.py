"""Real trace backends on this machine, Arize Phoenix and MLflow: installed, started, read back, stopped.

They need no extra: the first time each is installed into an environment of its own, which is kept.

    with Phoenix() as phoenix:
        exporter = OTLPSpanExporter(phoenix.endpoint)
        ...
        print(phoenix.spans())

`python -m paceline_integrations.backends` installs them ahead of time, or serves one for other programs.
"""

from ._backend import Backend as Backend
from ._environments import Environment as Environment, kept_folder as kept_folder
from ._errors import BackendError as BackendError
from ._mlflow import MLflow as MLflow
from ._phoenix import Phoenix as Phoenix
from ._spans import (
    BackendEvent as BackendEvent,
    BackendLink as BackendLink,
    BackendSpan as BackendSpan,
    SpanStatus as SpanStatus,
)

__all__ = [
    "Backend",
    "BackendError",
    "BackendEvent",
    "BackendLink",
    "BackendSpan",
    "Environment",
    "MLflow",
    "Phoenix",
    "SpanStatus",
    "kept_folder",
]

for _public in (Backend, BackendError, BackendEvent, BackendLink, BackendSpan, Environment, MLflow, Phoenix):
    _public.__module__ = __name__

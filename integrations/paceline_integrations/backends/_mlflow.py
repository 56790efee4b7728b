"""MLflow: keeps whole traces, links between spans included."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from ._backend import Backend
from ._environments import Environment
from ._http import ask
from ._spans import BackendEvent, BackendLink, BackendSpan, SpanStatus

__all__ = ["MLflow"]

_MOST: Final = 100  # traces that it lists at once
_NANO: Final = 1e-9
_STATUS: Final[Mapping[str, SpanStatus]] = {"STATUS_CODE_OK": "ok", "STATUS_CODE_ERROR": "error"}


class MLflow(Backend):
    """MLflow's tracking server on loopback.

        with MLflow() as mlflow:
            exporter = OTLPSpanExporter(mlflow.endpoint, headers=mlflow.headers)

    Each trace belongs to the experiment that a header names; `headers` has that of `experiment`, which is
    made.
    """

    environment: ClassVar[Environment] = Environment(
        name="mlflow-3.17.2", requires=("mlflow==3.17.2",), megabytes=900
    )
    _health = "/health"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        experiment: str = "paceline",
        port: int = 0,
        patience: float = 180.0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(folder, port=port, patience=patience, tell=tell)
        self._experiment = experiment
        self._id = ""

    @property
    def headers(self) -> dict[str, str]:
        """What an exporter has to say with each request."""
        return {"x-mlflow-experiment-id": self._id}

    def page_of(self, trace_id: str) -> str:
        """Return the address at which a person finds this trace, among those of its experiment."""
        return f"{self.url}/#/experiments/{self._id}/traces?selectedEvaluationId=tr-{trace_id}"

    def _command(self, python: Path, folder: Path, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
        command += ["--default-artifact-root", str(folder / "artifacts")]
        return command, {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

    def _prepare(self) -> None:
        query = urlencode({"experiment_name": self._experiment})
        found = ask(f"{self.url}/api/2.0/mlflow/experiments/get-by-name?{query}", absent_ok=True)
        if found is None:
            self._id = self._ask("2.0/mlflow/experiments/create", {"name": self._experiment})["experiment_id"]
        else:
            self._id = found["experiment"]["experiment_id"]

    def _read(self, trace_id: str | None) -> list[BackendSpan]:
        traces = [f"tr-{trace_id}"] if trace_id else self._traces()
        found: list[BackendSpan] = []
        for each in traces:
            trace = ask(f"{self.url}/api/3.0/mlflow/traces/get?trace_id={each}", absent_ok=True)
            found += map(_span, trace["trace"].get("spans", ()) if trace else ())
        return found

    def _traces(self) -> list[str]:
        found: list[str] = []
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self._id}}
        query: dict[str, Any] = {"locations": [place], "max_results": _MOST}
        while True:
            page = self._ask("3.0/mlflow/traces/search", query)
            found += (trace["trace_id"] for trace in page.get("traces", ()))
            if not page.get("next_page_token"):
                return found
            query["page_token"] = page["next_page_token"]

    def _ask(self, what: str, body: Mapping[str, Any]) -> Any:
        return ask(f"{self.url}/api/{what}", body)


def _span(data: Mapping[str, Any]) -> BackendSpan:
    # The form is OTLP's, as JSON, with ids in base64; what is empty is left out.
    status = data.get("status", {})
    parent = data.get("parent_span_id")
    return BackendSpan(
        name=data["name"],
        trace_id=_hex(data["trace_id"]),
        span_id=_hex(data["span_id"]),
        parent_id=_hex(parent) if parent else None,
        started=float(data["start_time_unix_nano"]) * _NANO,
        ended=float(data["end_time_unix_nano"]) * _NANO,
        status=_STATUS.get(status.get("code", ""), "unset"),
        message=status.get("message", ""),
        attributes=_attributes(data),
        events=tuple(
            BackendEvent(
                name=event["name"],
                time=float(event["time_unix_nano"]) * _NANO,
                attributes=_attributes(event),
            )
            for event in data.get("events", ())
        ),
        links=tuple(
            BackendLink(
                trace_id=_hex(link["trace_id"]), span_id=_hex(link["span_id"]), attributes=_attributes(link)
            )
            for link in data.get("links", ())
        ),
    )


def _attributes(data: Mapping[str, Any]) -> dict[str, Any]:
    return {each["key"]: _value(each.get("value", {})) for each in data.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    """Take a value out of what says its type."""
    for kind, inner in value.items():
        if kind == "array_value":
            return [_value(each) for each in inner.get("values", ())]
        if kind == "kvlist_value":
            return _attributes({"attributes": inner.get("values", ())})
        return int(inner) if kind == "int_value" else inner  # large whole numbers come as text
    return None


def _hex(identifier: str) -> str:
    return base64.b64decode(identifier).hex()

"""Arize Phoenix: shows traces of LLM work as people read them. It keeps no links between spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from . import _phoenix_server
from ._backend import Backend
from ._environments import Environment
from ._http import ask
from ._spans import BackendEvent, BackendSpan, SpanStatus

__all__ = ["Phoenix"]

_MOST: Final = 1_000  # spans that it gives at once
_STATUS: Final[Mapping[str, SpanStatus]] = {"OK": "ok", "ERROR": "error"}


class Phoenix(Backend):
    """Arize Phoenix on loopback.

        with Phoenix() as phoenix:
            exporter = OTLPSpanExporter(phoenix.endpoint)

    Spans are shown in the `project` that the attribute `openinference.project.name` of their resource names
    (`resource` has it); without one, in "default".
    """

    environment: ClassVar[Environment] = Environment(
        name="phoenix-20.26.1", requires=("arize-phoenix==20.26.1",), megabytes=900
    )
    _health = "/healthz"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        project: str = "paceline",
        port: int = 0,
        patience: float = 180.0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(folder, port=port, patience=patience, tell=tell)
        self._project = project

    @property
    def resource(self) -> dict[str, str]:
        """Attributes of the resource that the spans come from, by which it sorts them."""
        return {"openinference.project.name": self._project}

    def page_of(self, trace_id: str) -> str:
        """Return the address at which a person sees this trace."""
        return f"{self.url}/redirects/traces/{trace_id}"

    def _command(self, python: Path, folder: Path, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "WORKING_DIR": str(folder),
            "LOG_MIGRATIONS": "false",
            "TELEMETRY_ENABLED": "false",
            "ALLOW_EXTERNAL_RESOURCES": "false",
            "DISABLE_AGENT_ASSISTANT": "true",  # it has a shell of the server's
            "ENABLE_MCP_SERVER": "false",
            "ALLOWED_SANDBOX_PROVIDERS": "NONE",
            "DISABLE_RATE_LIMIT": "true",
        }
        return (
            [str(python), _phoenix_server.__file__],
            {f"PHOENIX_{name}": value for name, value in settings.items()},
        )

    def _read(self, trace_id: str | None) -> list[BackendSpan]:
        found: list[BackendSpan] = []
        query = {"limit": str(_MOST), **({"trace_id": trace_id} if trace_id else {})}
        while True:
            address = f"{self.url}/v1/projects/{quote(self._project, safe='')}/spans?{urlencode(query)}"
            page = ask(address, absent_ok=True)  # the project is made by its first span
            if page is None:
                return found
            found += map(_span, page["data"])
            if not page["next_cursor"]:
                return found
            query["cursor"] = page["next_cursor"]


def _span(data: Mapping[str, Any]) -> BackendSpan:
    # Attributes come flat, and without the one that Phoenix has a column for.
    kind = data["span_kind"]
    shown = {} if kind == "UNKNOWN" else {"openinference.span.kind": kind}
    return BackendSpan(
        name=data["name"],
        trace_id=data["context"]["trace_id"],
        span_id=data["context"]["span_id"],
        parent_id=data["parent_id"],
        started=_seconds(data["start_time"]),
        ended=_seconds(data["end_time"]),
        status=_STATUS.get(data["status_code"], "unset"),
        message=data["status_message"],
        attributes={**data["attributes"], **shown},
        events=tuple(
            BackendEvent(
                name=event["name"], time=_seconds(event["timestamp"]), attributes=event["attributes"]
            )
            for event in data["events"]
        ),
    )


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()

"""Where the `paceline` loggers write, when a command runs: standard error, as text or as JSON lines."""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO

__all__ = ["configure_logging"]

_BUILT_IN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the moment: a live screen puts itself in its place for a while."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # the base class keeps one stream
        return sys.stderr


class _Json(logging.Formatter):
    """One JSON object a record; what came in `extra` is kept."""

    def format(self, record: logging.LogRecord) -> str:
        data: dict[str, object] = {
            "time": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        data.update({key: value for key, value in vars(record).items() if key not in _BUILT_IN})
        if record.exc_info:
            data["traceback"] = self.formatException(record.exc_info)
        return json.dumps(data, default=str)


def configure_logging(level: str, *, as_json: bool) -> None:
    """Send what Paceline logs, from this level on, to standard error."""
    handler = _Stderr()
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_Json() if as_json else text)
    logger = logging.getLogger("paceline")
    for old in [each for each in logger.handlers if isinstance(each, _Stderr)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False

"""What can go wrong with a backend."""

from __future__ import annotations

from paceline import PacelineError

__all__ = ["BackendError"]


class BackendError(PacelineError):
    """Raised when a backend cannot be installed, or does not start or answer; `log` is what it said last."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(f"{message}\n{log}" if log else message)
        self.log = log

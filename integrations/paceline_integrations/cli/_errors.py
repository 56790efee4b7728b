"""What stops a command."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """Raised to stop a command: each line is told to the person, and the process ends with the code."""

    def __init__(self, *lines: str, code: int = 2) -> None:
        super().__init__("\n".join(lines))
        # What is quoted (a path, an error's message) may hold line breaks; a line stays one.
        self.lines = tuple(" ".join(line.split()) for line in lines)
        self.code = code

"""What stands on a terminal now: a small emulator, for screens that draw only what has changed."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from .terminals import Screen, at_terminal

COLUMNS, LINES = 140, 40
_PART = re.compile(
    r"\x1b\[(?P<arguments>[0-?]*)[ -/]*(?P<kind>[@-~])|\x1b[\]P_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^\[\]P_]"
    r"|(?P<text>[^\x1b]+)"
)
_PATIENCE = 20.0


def picture(raw: str) -> str:
    """Everything that stands on the terminal after that was written to it."""
    cells = [[" "] * COLUMNS for _ in range(LINES)]
    x = y = 0
    for part in _PART.finditer(raw):
        for sign in part["text"] or "":
            if sign == "\r":
                x = 0
            elif sign == "\n":
                y = min(y + 1, LINES - 1)
            elif sign >= " ":
                if x < COLUMNS and y < LINES:
                    cells[y][x] = sign
                x += 1
        if part["kind"] == "H":
            row, _, column = part["arguments"].partition(";")
            y, x = int(row or 1) - 1, int(column or 1) - 1
        elif part["kind"] == "J":
            cells = [[" "] * COLUMNS for _ in range(LINES)]
    return "\n".join("".join(line).rstrip() for line in cells)


class Watcher:
    """A person who looks at the screen and types when it shows what is waited for."""

    def __init__(self, screen: Screen) -> None:
        self.screen: Screen = screen

    def tells(self, keys: str, *words: str) -> str:
        """Type to a dialog until it shows the words: it has no ear for keys from before it could be read."""
        for _ in range(round(_PATIENCE)):
            self.types(keys)
            with suppress(AssertionError):
                return self.sees(*words, patience=1.0)
        return self.sees(*words)

    def sees(self, *words: str, patience: float = _PATIENCE) -> str:
        """Wait until all the words stand on the screen, and return what is there."""
        end = time.monotonic() + patience
        while True:
            shown = picture(self.screen.raw)
            if all(each in shown for each in words):
                return shown
            if time.monotonic() > end:
                raise AssertionError(f"{words} do not stand there:\n{shown}")
            self.screen.read_on(0.2)

    def told(self) -> str:
        """What was printed after the screen was left."""
        _, left, told = self.screen.raw.rpartition("\x1b[?1049l")
        assert left, "the screen is still there"
        return _PART.sub(lambda part: part["text"] or "", told)

    def is_clean(self) -> bool:
        """Whether the terminal is as it was: it echoes, shows the cursor, and says nothing of the mouse."""
        raw = self.screen.raw
        on_and_off = [
            ("\x1b[?25l", "\x1b[?25h"),
            ("\x1b[?1049h", "\x1b[?1049l"),
            ("\x1b[?1000h", "\x1b[?1000l"),
        ]
        undone = all(raw.rfind(on) < raw.rfind(off) for on, off in on_and_off)
        return undone and self.screen.echoes()

    def types(self, keys: str) -> None:
        """Type."""
        self.screen.type(keys)


@contextmanager
def watching(*arguments: str) -> Generator[Watcher]:
    """Run the command line at a terminal of its own."""
    with at_terminal(*arguments, columns=COLUMNS, lines=LINES) as screen:
        yield Watcher(screen)

"""The line in which a filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

__all__ = ["Filter"]


class Filter(Input):
    """Tells of what is typed as it is typed. Enter leaves it at that, Escape gives it up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", show=False),
        Binding("enter", "leave", show=False),
    ]

    class Typed(Message):
        """The text is another one."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text: str = text

    class Done(Message):
        """Nothing more is typed."""

    def __init__(self, part: str) -> None:
        super().__init__(id=part, placeholder="words in name, lane, group, key or status", compact=True)

    def begin(self) -> None:
        """Take what is typed."""
        self.add_class("asked")
        self.focus()

    def end(self) -> None:
        """Leave it at what was typed."""
        if self.has_class("asked"):
            self.remove_class("asked")
            self.post_message(self.Done())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell of it."""
        event.stop()
        self.post_message(self.Typed(event.value))

    def action_leave(self) -> None:
        """Leave it at what was typed."""
        self.end()

    def action_give_up(self) -> None:
        """Filter nothing."""
        self.value = ""
        self.end()

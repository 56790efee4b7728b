"""The line in which a filter is typed."""

from __future__ import annotations

from textual.events import Key
from textual.message import Message
from textual.widgets import Input

__all__ = ["Filter"]


class Filter(Input):
    """Tells of what is typed as it is typed. Enter leaves it at that, Escape gives it up."""

    class Typed(Message):
        """The text is another one."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text: str = text

    class Done(Message):
        """Nothing more is typed."""

    class Passed(Message):
        """A key came after the last one of the filter, and before the focus had gone back."""

        def __init__(self, key: Key) -> None:
            super().__init__()
            self.key: Key = key

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

    def take(self, key: Key) -> bool:
        """Take a key, also one that came before the focus did, right after the one that asked for this."""
        if not self.has_class("asked"):
            return False
        if key.key == "enter":
            self.end()
        elif key.key == "escape":
            self.value = ""
            self.end()
        elif self.has_focus:
            return False
        elif key.is_printable and key.character is not None:
            self.insert_text_at_cursor(key.character)
        return True

    def on_key(self, event: Key) -> None:
        """Enter and Escape are taken here: as keys of the screen they would come after what is typed next."""
        given_up = not self.has_class("asked")
        if given_up:  # the keys are the jobs' again, as soon as these have the focus
            self.post_message(self.Passed(event))
        if given_up or self.take(event):
            event.stop()
            event.prevent_default()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell of it."""
        event.stop()
        self.post_message(self.Typed(event.value))

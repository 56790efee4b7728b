"""Questions at the terminal: one after another, above the progress of the jobs that go on meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, TypeAlias

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from paceline_integrations.forms import Form, form_of
from paceline_integrations.visible import visible

from .asked import Asked
from .keys import Key, LineEditor, Terminal

__all__ = ["LEFT_OPEN", "Person", "Said"]

LEFT_OPEN: Final = object()
"""Said of a question to which there is to be no answer now."""

Said: TypeAlias = tuple[Asked, Any]
"""A question, and its answer or `LEFT_OPEN`."""

_MOST_SHOWN: Final = 4_000
_LEAST_LINES, _MOST_LINES, _OTHER_LINES = 4, 12, 9
"""Lines of the question and its choices in the picture; those of a screen that are for other things."""
_TYPED: Final = 160
_TO_NOTICE: Final = 1.0
"""Seconds in which a person sees that a question was replaced by another one."""


class Person:
    """Somebody at a terminal: `ask` what is to be asked, and take what was said from `said`."""

    def __init__(self, terminal: Terminal, console: Console) -> None:
        self._terminal: Terminal = terminal
        self._console: Console = console
        self._queue: dict[tuple[str, str], Asked] = {}
        self._asked: Asked | None = None
        self._form: Form = form_of(None)
        self._shown: tuple[RenderableType, ...] = ()
        self._fault: str = ""
        self._editor: LineEditor = LineEditor()
        self._hears: bool = False
        """Whether what is typed is for the question; not while its answer is looked at."""
        self._deaf_until: float = 0.0
        """On the clock of the loop."""
        self._gone: bool = False
        self._own: Live | None = None
        self.screen: Live | None = None
        """Where progress is shown, with the question, if anywhere."""
        self.said: asyncio.Queue[Said] = asyncio.Queue()

    def ask(self, *several: Asked) -> None:
        """Ask, when what came before is answered."""
        if self._gone:
            for asked in several:
                self.said.put_nowait((asked, LEFT_OPEN))
            return
        self._queue.update((asked.place, asked) for asked in several)
        if self._queue and self._asked is None:
            self._begin()
        if several:
            self._refresh()

    def accepted(self, asked: Asked, answer: Any) -> None:
        """The answer is good."""
        self._end(asked, Text.assemble(" → ", (_shortened(answer), "green")))

    def refused(self, asked: Asked, why: str) -> None:
        """The answer is none to this question: it is asked again."""
        if self._asked is asked:
            self._fault = why
            self._hears = True
            self._refresh()

    def withdraw(self, asked: Asked) -> None:
        """The job does not ask any more."""
        was_shown = self._asked is asked
        self._end(asked, Text(" no longer asked", style="yellow"))
        if was_shown and self._asked is not None:
            # Who is in the middle of an answer to the other question must not give it to this one.
            self._fault = "this is another question: the one before is no longer asked"
            self._deaf_until = asyncio.get_running_loop().time() + _TO_NOTICE
            self._refresh()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._asked = None
        self._terminal.close()
        if self._own is not None:
            self._own.stop()
            self._own = None

    def render(self) -> RenderableType | None:
        """The question as it stands; None while there is none."""
        asked = self._asked
        if asked is None:
            return None
        rows: list[RenderableType] = [*self._shown]
        if self._fault:
            rows.append(Text(self._fault, style="red", no_wrap=True, overflow="ellipsis"))
        typed = visible(self._editor.text)[-_TYPED:]
        rows.append(Text.assemble((f"[{visible(self._form.hint)}] > ", "bold"), typed, ("▏", "bold")))
        return Panel(
            Group(*rows),
            title=self._title(asked),
            title_align="left",
            subtitle=self._hint(),
            subtitle_align="left",
            border_style="magenta",
        )

    def _title(self, asked: Asked) -> Text:
        asker = asked.asker
        text = Text(visible(asker.name), style="bold", no_wrap=True, overflow="ellipsis")
        for word, value in (("job", asker.key), ("lane", asker.lane), ("group", asker.group)):
            if value is not None and value != asker.name:
                text.append(f" · {word} {visible(value)}", style="not bold dim")
        if not asked.alone:
            text.append(f" · question {visible(asked.question.id)}", style="not bold dim")
        more = len(self._queue) - 1
        return text.append(f" · {more:,} more" if more > 0 else "", style="not bold yellow")

    def _hint(self) -> Text:
        more = f", Ctrl-X all {len(self._queue):,}" if len(self._queue) > 1 else ""
        return Text(f"empty or Ctrl-D leaves it open{more}", style="dim")

    def _begin(self) -> None:
        self._terminal.open(self._typed)
        if self.screen is None:
            self._own = Live(
                get_renderable=lambda: self.render() or Text(),
                console=self._console,
                auto_refresh=False,
                transient=True,
            )
            self._own.start()
        self._next()

    def _next(self) -> None:
        asked = next(iter(self._queue.values()), None)
        if asked is None:
            self.close()
            return
        self._form = form_of(asked.question.schema)
        self._shown = self._picture(asked)
        self._fault = ""
        self._editor.clear()
        # Typed before this question was shown: it is no answer to it.
        self._terminal.forget_typed()
        self._asked, self._hears = asked, True

    def _picture(self, asked: Asked) -> tuple[RenderableType, ...]:
        """The question and its choices, as much of them as there is room for."""
        value = asked.data()["value"]
        whole = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        text = Text(visible(whole, lines=True))
        choices = [
            Text(f"{place}  {visible(choice)}", no_wrap=True, overflow="ellipsis")
            for place, choice in enumerate(self._form.choices, start=1)
        ]
        room = max(_LEAST_LINES, self._console.height - _OTHER_LINES)
        shown = choices[: min(_MOST_LINES, room // 2)]
        lines = text[:_MOST_SHOWN].wrap(self._console, max(10, self._console.width - 4))
        most = min(_MOST_LINES, room - len(shown))
        if len(lines) <= most and len(text) <= _MOST_SHOWN and len(shown) == len(choices):
            return *lines, *shown
        # As a whole it is above, where it can be scrolled back to.
        self._console.print(
            Text.assemble((f"{visible(asked.asker.name)} asks: ", "bold"), text), *choices, sep="\n"
        )
        return *lines[:most], Text("… (as a whole above)", style="dim"), *shown

    def _typed(self, data: bytes) -> None:
        if not data:  # the terminal has gone: nobody answers any more
            self._gone = True
            self._leave_all()
            return
        if not self._hears or asyncio.get_running_loop().time() < self._deaf_until:
            return
        for key in self._editor.feed(data):
            if key != "changed":
                self._done(key)
                break
        self._refresh()

    def _done(self, key: Key) -> None:
        asked = self._asked
        assert asked is not None
        text = self._editor.text
        if key == "end_all":
            self._leave_all()
        elif key == "end" or not text.strip():
            self._leave(asked)
        else:
            try:
                answer = self._form.read(text)
            except ValueError as error:
                self._fault = visible(str(error))
                self._editor.clear()
                return
            self._editor.clear()
            self._hears = False
            self.said.put_nowait((asked, answer))

    def _leave(self, asked: Asked) -> None:
        self.said.put_nowait((asked, LEFT_OPEN))
        self._end(asked, Text(" left open", style="yellow"))

    def _leave_all(self) -> None:
        queue, self._queue, self._asked = self._queue, {}, None
        for asked in queue.values():
            self.said.put_nowait((asked, LEFT_OPEN))
        said = "1 question" if len(queue) == 1 else f"{len(queue):,} questions"
        self._console.print(Text.assemble(f"? {said}", (" left open", "yellow")))
        self._next()

    def _end(self, asked: Asked, how: Text) -> None:
        if self._queue.get(asked.place) is not asked:
            return
        del self._queue[asked.place]
        was_shown = self._asked is asked
        if was_shown:
            self._asked = None  # not to be shown below its own end
        self._console.print(
            Text.assemble(
                "? ",
                (visible(asked.asker.name), "bold"),
                f": {_shortened(asked.data()['value'])}",
                how,
                no_wrap=True,
                overflow="ellipsis",
            )
        )
        if was_shown:
            self._next()
        self._refresh()

    def _refresh(self) -> None:
        screen = self._own or self.screen
        if screen is not None and screen.is_started:
            screen.refresh()


def _shortened(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return visible(text if len(text) <= 60 else f"{text[:59]}…")

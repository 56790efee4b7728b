"""The screen as a textual application: one picture of a run, drawn at most ten times a second."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import ClassVar, Final, Literal, TypeAlias

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Event, Key, Resize
from textual.geometry import Size
from textual.widget import Widget

from paceline import PacelineError

from ._bottom import Keys, Parts
from ._controls import Controls
from ._deeds import Deeds
from ._detail import Detail
from ._dialogs import Dialog, HelpDialog
from ._filter import Filter
from ._header import Header
from ._help import help_text, keys
from ._lanes import Lanes
from ._look import CSS, THEME
from ._pane import Pane
from ._picture import Picture
from ._reasons import Reasons
from ._replay import Replay
from ._sources import Source
from ._timeline import Timeline
from ._tree import JobTree

__all__ = ["Left", "ScreenApp"]

Left: TypeAlias = Literal["quit", "interrupted", "closed"]
"""How a screen was left: by `q`, by Ctrl-C, or because the program closed it."""

_PARTS: Final = ("jobs", "lanes", "timeline", "detail")
_WIDE: Final = (120, 32)
"""From these columns and rows on, all parts are shown at once."""
_WIDER: Final = 160
"""From these columns on, counts and usage stand side by side."""
_LOW: Final = 14
"""With fewer rows, what stands above the jobs has a line each for counts and for what is stuck."""
_SLICE: Final = 0.03
_LARGE_SLICE: Final = 0.1
"""Seconds of work on events before the person's keys are looked at again; and while a log is loaded."""
_EVERY: Final = 0.1
_IDLE: Final = 0.5
"""Seconds between drawings while there are events; while only the clock goes on, or a log is loaded."""
_PART_OF_TIME: Final = 6.0
"""A picture that takes long is drawn the less often: drawing takes at most this part of the time."""
_JUMP: Final = 10.0
_ALWAYS: Final = frozenset({"ctrl+c", "ctrl+q"})


class ScreenApp(App[Left]):
    """Shows a source, until the person leaves it. `controls`: what may be done to the run, if anything."""

    CSS: ClassVar[str] = CSS
    TITLE: str | None = "paceline"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", show=False),
        Binding("f", "failed", show=False),
        Binding("space", "pause", show=False),
        Binding("question_mark", "help", show=False),
        Binding("q", "leave('quit')", show=False),
        Binding("ctrl+q", "leave('quit')", show=False, priority=True),
        Binding("ctrl+c", "leave('interrupted')", show=False, priority=True),
        Binding("tab", "part_by(1)", show=False, priority=True),
        Binding("shift+tab", "part_by(-1)", show=False, priority=True),
        *(Binding(str(place), f"part('{name}')", show=False) for place, name in enumerate(_PARTS, start=1)),
        Binding("escape", "shut", show=False),
        Binding("plus,equals_sign", "speed(1)", show=False),
        Binding("minus", "speed(-1)", show=False),
        Binding("full_stop", "jump(1)", show=False),
        Binding("comma", "jump(-1)", show=False),
        Binding("r", "retry", show=False),
        Binding("c", "cancel", show=False),
        Binding("a", "answer", show=False),
    ]

    def __init__(self, source: Source, controls: Controls | None = None, *, ticks: bool = True) -> None:
        super().__init__()
        self.source: Source = source
        self.controls: Controls | None = controls
        self.picture: Picture = Picture(source)
        self._deeds: Deeds = Deeds(self, self.picture, controls)
        self.draws: int = 0
        """How often the picture was drawn because of what happened in the run."""
        self._ticks: bool = ticks
        self._part: str = "jobs"
        self._wide: bool = False
        self._drawn: float = 0.0
        self._cost: float = 0.0
        self._stamp: object = None
        self._ended: bool = False
        self.on_shown: Callable[[], object] | None = None
        """Called once, when the terminal is the screen's."""
        self.failure: Exception | None = None
        """What made the screen close by itself: a log that cannot be read."""

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        picture = self.picture
        yield Header(picture, "header")
        yield Reasons(picture, "reasons")
        yield Parts("parts")
        with Horizontal(id="body"):
            yield JobTree(picture, "jobs")
            with Vertical(id="side"):
                yield Lanes(picture, "lanes")
                yield Timeline(picture, "timeline")
                yield Detail(picture, "detail")
        yield Filter("filter")
        yield Keys("keys")

    def on_mount(self) -> None:
        """Begin to look at what happens."""
        self.register_theme(THEME)
        self.theme = "paceline"
        self._arrange(self.size)
        self.query_one("#jobs").focus()
        if self._ticks:
            self.set_interval(_EVERY, self.tick)
        self.call_after_refresh(self.tick)
        if self.on_shown is not None:
            self.on_shown()

    def on_resize(self, event: Resize) -> None:
        """Show as many parts as there is room for."""
        self._arrange(event.size)

    def close(self) -> None:
        """End it from outside, also before it is there."""
        self._ended = True
        if self.is_running:
            self.exit("closed")

    # Time.

    def tick(self) -> None:
        """Take in what has come, and draw it if it is time to."""
        if not self.is_running:
            return
        if self._ended:
            self.exit("closed")
            return
        try:
            more = self.source.advance(_SLICE if self.source.progress is None else _LARGE_SLICE)
        except (PacelineError, OSError) as error:
            self.failure = error
            self.exit("closed")
            return
        now = perf_counter()
        # A tick may come a little early: it is not to be taken for one too many.
        if now - self._drawn >= 0.95 * max(self._every(), _PART_OF_TIME * self._cost):
            self.draw()
        if more:
            self.set_timer(0.001, self.tick)

    def _every(self) -> float:
        """How many seconds are between two drawings now."""
        if self.source.progress is not None:
            return _IDLE
        changed = self.source.state.version != self._stamp
        return _EVERY if changed or isinstance(self.source, Replay) else _IDLE

    def draw(self) -> None:
        """Draw the moment that it is now."""
        begun = self._drawn = perf_counter()
        self._stamp = self.source.state.version
        self.draws += 1
        self.picture.tick()
        self._update()
        self._cost = perf_counter() - begun

    def _update(self) -> None:
        tree = self.query_one(JobTree)
        tree.update()
        self.picture.selected = tree.selected
        self.query_one(Header).update()
        self.query_one(Reasons).update()
        for pane in self.query(Pane):
            if pane is not tree and pane.display:
                pane.update()
        self._entitle()

    # Parts.

    def _entitle(self) -> None:
        """What stands in a part's frame stands beside its name where parts have no frame."""
        parts, shown = self.query_one(Parts), self.query_one(f"#{self._part}")
        if isinstance(shown, Pane):
            parts.note = " · ".join(each for each in (shown.heading, shown.note) if each and each != "Jobs")
        parts.refresh()

    def _arrange(self, size: Size | None = None) -> None:
        """Show all parts, or the chosen one; `size`: the terminal has another one now."""
        if not self.query("#keys"):
            return
        if size is not None:
            self._resize(size)
        for name in _PARTS:
            self.query_one(f"#{name}").display = self._wide or name == self._part
        self.query_one("#side").display = self._wide or self._part != "jobs"
        parts, bottom = self.query_one(Parts), self.query_one(Keys)
        parts.named = ("Jobs", "Lanes", "Timeline", "Details")
        parts.chosen = _PARTS.index(self._part)
        bottom.named = keys(
            replay=isinstance(self.source, Replay) and not self.source.still,
            controls=self.controls is not None,
            wide=self._wide,
        )
        parts.refresh()
        bottom.refresh()

    def _resize(self, size: Size) -> None:
        self._wide = size.width >= _WIDE[0] and size.height >= _WIDE[1]
        below = self.screen_stack[0]  # a dialog may be open above it
        below.set_class(self._wide, "wide")
        below.set_class(size.width >= _WIDER, "wider")
        below.set_class(size.height < _LOW, "low")

    def action_part(self, name: str) -> None:
        """Show a part, and give it the keys."""
        self._part = name
        self._arrange()
        part = self.query_one(f"#{name}")
        part.focus()
        if isinstance(part, Pane):
            part.update()
        self._entitle()

    def action_part_by(self, way: int) -> None:
        """Go to the next part, or to the one before; in a dialog, to the next field."""
        if isinstance(self.screen, Dialog):
            self.screen.focus_next()
            return
        self.query_one(Filter).end()
        self.action_part(_PARTS[(_PARTS.index(self._part) + way) % len(_PARTS)])

    def action_shut(self) -> None:
        """Back to the jobs; there, all of them are shown again."""
        tree = self.query_one(JobTree)
        if self._part == "jobs" and (tree.text or tree.failed):
            tree.text, tree.failed = "", False
            self.query_one(Filter).value = ""
            self._update()
        self.action_part("jobs")

    def on_descendant_focus(self, event: object) -> None:
        """A part was chosen by the mouse."""
        widget = getattr(event, "widget", None)
        if isinstance(widget, Widget) and widget.id in _PARTS:
            self._part = widget.id

    def on_job_tree_selected(self) -> None:
        """Show the details of what is under the cursor."""
        self.picture.selected = self.query_one(JobTree).selected
        detail = self.query_one(Detail)
        if detail.display:
            detail.update()

    def on_job_tree_entered(self) -> None:
        """Into the details."""
        self.action_part("detail")

    # Keys.

    async def on_event(self, event: Event) -> None:
        """Keys may come faster than what they do is done: none of them does what was not meant."""
        if not (isinstance(event, Key) and self._came_early(event)):
            await super().on_event(event)

    def _came_early(self, key: Key) -> bool:
        """Whether a key is one for a dialog that was not seen yet, or one for the filter, which gets it."""
        screen = self.screen
        if isinstance(screen, Dialog):
            return key.time < screen.since and key.key not in _ALWAYS
        return key.is_forwarded and self.query_one(Filter).take(key)

    def action_filter(self) -> None:
        """Ask for the words of the filter."""
        self.query_one(Keys).display = False
        self.action_part("jobs")
        self.query_one(Filter).begin()

    def on_filter_typed(self, event: Filter.Typed) -> None:
        """Filter as it is typed."""
        self.query_one(JobTree).text = event.text
        self._update()

    def on_filter_done(self) -> None:
        """The filter stays as it is, and the keys are the tree's again."""
        self.query_one(Keys).display = True
        self.query_one(JobTree).focus()

    def on_filter_passed(self, event: Filter.Passed) -> None:
        """A key that is not the filter's: it is pressed anew."""
        self.post_message(Key(event.key.key, event.key.character))

    def action_failed(self) -> None:
        """Show failed jobs only, or all again."""
        tree = self.query_one(JobTree)
        tree.failed = not tree.failed
        self._update()

    def action_pause(self) -> None:
        """Freeze the picture, or let it go on."""
        self.source.pause(wanted=not self.source.paused)
        self.draw()

    def action_speed(self, way: int) -> None:
        """Replay faster or slower."""
        if isinstance(self.source, Replay):
            self.source.faster(way)
            self.draw()

    def action_jump(self, way: int) -> None:
        """Replay from a moment before or after."""
        if isinstance(self.source, Replay):
            self.source.jump(way * _JUMP)
            self.tick()

    def action_help(self) -> None:
        """Show the keys and the signs."""
        text = help_text(replay=isinstance(self.source, Replay), controls=self.controls is not None)
        self.push_screen(HelpDialog(text))

    def action_leave(self, how: Left) -> None:
        """Leave the screen."""
        self.exit(how)

    # What is done to the run.

    def action_cancel(self) -> None:
        """Ask whether the selected job is to be cancelled."""
        self._deeds.cancel()

    def action_retry(self) -> None:
        """Run the selected job's work again."""
        self._deeds.retry()

    def action_answer(self) -> None:
        """Answer the selected job's question, or the oldest one that is open."""
        self._deeds.answer()

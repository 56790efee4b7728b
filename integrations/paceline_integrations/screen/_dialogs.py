"""What the screen asks and tells over the picture: help, whether to cancel, and a job's question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Any, ClassVar, Final, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key, Mount
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from paceline import PacelineError, Question
from paceline_integrations.forms import Form, form_of
from paceline_integrations.runstate import JobView, plain_text

from ._words import in_full

__all__ = ["DIALOGS", "AnswerDialog", "CancelDialog", "Dialog", "HelpDialog", "wrong"]

DIALOGS: Final = """
ModalScreen { align: center middle; background: $background 70%; }
.box { width: 72; max-width: 94%; height: auto; max-height: 90%; background: $surface; padding: 1 2;
       border: round $primary; border-title-style: bold; border-title-color: $primary; }
.help { padding: 0 2; max-height: 100%; }
.alert { border: round $error; border-title-color: $error; }
.asks { border: round $accent; border-title-color: $accent; }
.quiet { color: $text-muted; }
.wrong { color: $error; height: auto; }
.text { height: auto; }
#answer { margin-top: 1; border: round $accent; }
"""
Answered = TypeVar("Answered")
_QUESTION: Final = 4_000
_CHOICES: Final = 20


def wrong(error: Exception) -> str:
    """What went wrong, as a person is told."""
    if isinstance(error, PacelineError | ValueError):
        return str(getattr(error, "misfit", None) or error)
    return f"{type(error).__name__}: {error}"


class Dialog(ModalScreen[Answered]):
    """A dialog, which has no ear for keys that were pressed before it could be read."""

    def __init__(self) -> None:
        super().__init__()
        self.since: float = inf
        """From when on it is there, as `Key.time` counts."""

    def on_mount(self, event: Mount) -> None:
        """It is there, and drawn at once."""
        self.since = event.time


class HelpDialog(Dialog[None]):
    """The keys, and what the signs mean."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", show=False)]

    def __init__(self, text: Content) -> None:
        super().__init__()
        self._text: Content = text

    def compose(self) -> ComposeResult:
        """One box."""
        with VerticalScroll(classes="box help") as box:
            box.border_title = "Help"
            box.border_subtitle = "esc closes"
            yield Static(self._text, markup=False)


class CancelDialog(Dialog[bool]):
    """Asks whether a job is to be cancelled, by its name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False),
        Binding("n,escape,q", "answer(False)", show=False),
    ]

    def __init__(self, job: JobView, below: int) -> None:
        super().__init__()
        self._job: JobView = job
        self._below: int = below

    def compose(self) -> ComposeResult:
        """What is asked, and what it does."""
        with Vertical(classes="box alert") as box:
            box.border_title = "Cancel?"
            yield Static(self._told(), markup=False)

    def _told(self) -> Content:
        job = self._job
        where = " · ".join(
            f"{word} {plain_text(value, 60)}"
            for word, value in (("lane", job.lane), ("group", job.group), ("id", job.id))
            if value
        )
        kind = job.role if job.role != "job" else "job"
        lines = [
            Content.assemble("Cancel the ", f"{kind} ", (plain_text(job.name, 80), "bold"), "?"),
            Content.styled(where, "$text-muted"),
            Content(""),
        ]
        if self._below:
            lines.append(Content(f"The {self._below:,} jobs below it are cancelled with it."))
        lines.append(Content.assemble(("y", "bold $error"), " cancel it    ", ("n", "bold"), " leave it"))
        return Content("\n").join(lines)

    def action_answer(self, wanted: bool) -> None:
        """It is decided."""
        self.dismiss(wanted)


class Answer(Input):
    """The line in which an answer is typed. Keys count in the order in which they came, however fast."""

    class Given(Message):
        """Enter was pressed, while that question was shown."""

        def __init__(self, text: str, question: Question | None) -> None:
            super().__init__()
            self.text: str = text
            self.question: Question | None = question

    question: Question | None = None

    async def on_key(self, event: Key) -> None:
        """Enter is taken here: as a key of the whole screen it would come after what is typed next."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Given(self.value, self.question))
            self.value = ""

    def give_back(self, text: str) -> None:
        """Show a refused answer again, to be changed, or typed over; unless another one is being typed."""
        if not self.value:
            self.value = text
            self.select_all()


class AnswerDialog(Dialog[None]):
    """Asks the open questions of a job, one after another, until each has an answer that is taken."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", show=False)]

    def __init__(
        self,
        job: JobView,
        questions: Sequence[Question],
        answer: Callable[[str, str, Any], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._job: JobView = job
        self._left: list[Question] = list(questions)
        self._answer: Callable[[str, str, Any], Awaitable[None]] = answer
        self._form: Form = form_of(self._left[0].schema)

    def compose(self) -> ComposeResult:
        """The question, its choices, and a line to type in."""
        with Vertical(classes="box asks") as box:
            box.border_title = Content(f"{plain_text(self._job.name, 60)} asks")
            box.border_subtitle = "enter answers · esc leaves it open"
            with VerticalScroll(classes="text"):
                yield Static("", id="question", markup=False)
            yield Answer(id="answer")
            yield Static("", id="wrong", classes="wrong", markup=False)

    def on_mount(self, event: Mount) -> None:
        """The first question."""
        del event  # textual gives it to that of `Dialog` too
        self._show()

    def _show(self) -> None:
        question = self._left[0]
        self._form = form_of(question.schema)
        text = in_full(question.value)
        lines = [plain_text(line) for line in text[:_QUESTION].splitlines()] or [""]
        told = [Content(line) for line in lines]
        told += [
            Content.assemble((f"  {place}  ", "bold $accent"), plain_text(choice, 200))
            for place, choice in enumerate(self._form.choices[:_CHOICES], start=1)
        ]
        self.query_one("#question", Static).update(Content("\n").join(told))
        field = self.query_one(Answer)
        field.value, field.question = "", question
        field.placeholder = plain_text(self._form.hint, 60)
        field.focus()
        self._say("" if len(self._left) == 1 else f"{len(self._left) - 1} more after this one", quiet=True)

    def _say(self, text: str, *, quiet: bool = False) -> None:
        told = self.query_one("#wrong", Static)
        told.set_class(not quiet, "wrong")
        told.set_class(quiet, "quiet")
        told.update(Content(plain_text(text, 600)))

    async def on_answer_given(self, event: Answer.Given) -> None:
        """Something was typed: it is an answer, or the person is told why not."""
        question = self._left[0] if self._left else None
        if question is None or event.question is not question:
            return  # typed before this question was there to be read
        try:
            await self._answer(self._job.id, question.id, self._form.read(event.text))
        except Exception as error:  # noqa: BLE001 - of controls that anybody may write: the person is told
            self._say(wrong(error))
            self.query_one(Answer).give_back(event.text)
            return
        del self._left[0]
        if self._left:
            self._show()
        else:
            self.dismiss()

"""What a provider does in one test: a script, and what was seen of its being played."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias, final

from paceline._context import current_job
from paceline._usage import Usage

__all__ = [
    "AROUND",
    "SUBMITTED",
    "Act",
    "Answer",
    "Break",
    "ProviderBroke",
    "ProviderRefused",
    "Refuse",
    "Request",
    "Scene",
    "Stall",
    "View",
]

SUBMITTED: ContextVar[str | None] = ContextVar("submitted", default=None)
"""Set where the suite submits."""
AROUND: ContextVar[str | None] = ContextVar("around", default=None)
"""Set by the suite's middleware, around each attempt, to the job's id."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The request is answered, in all the chunks of the scene."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request is answered by an HTTP error: `status`, with these headers and this code in its body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    code: str | None = None
    message: str = "refused, as the script says"


@dataclass(frozen=True, slots=True)
class Break:
    """The connection breaks: before there is an answer, or `after` so many of its chunks."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """The answer begins, and nothing more comes `after` so many chunks, until the client goes away."""

    after: int = 0


Act: TypeAlias = Answer | Refuse | Break | Stall
"""What happens to one request."""


class ProviderRefused(Exception):
    """Raised by `Scene.play` where the script refuses; it has what HTTP clients give their errors.

    So `paceline.classify_error` knows it: `status_code`, `code`, and `response.headers`.
    """

    def __init__(self, refusal: Refuse) -> None:
        super().__init__(f"{refusal.status}: {refusal.message}")
        self.status_code: int = refusal.status
        self.code: str | None = refusal.code
        self.response: Refuse = refusal


class ProviderBroke(ConnectionError):
    """Raised by `Scene.play` and `Request.chunks` where the script breaks the connection."""


class View(NamedTuple):
    """What code inside of an attempt saw around it."""

    job: str | None
    around: str | None
    submitted: str | None


@final
class Request:
    """One request, as the provider serves it: open from entering it, `with request:`, until that is left."""

    def __init__(self, scene: Scene, act: Act) -> None:
        self._scene = scene
        self.act: Act = act
        self.usage: Usage = scene.usage
        self.started: float = time.monotonic()

    @property
    def refusal(self) -> Refuse | None:
        """What to refuse it with; None where it is to be answered by `chunks`."""
        return self.act if isinstance(self.act, Refuse) else None

    async def chunks(self) -> AsyncGenerator[str, None]:
        """The chunks of the answer; they stall, or break off with `ProviderBroke`, as the script says."""
        for number, chunk in enumerate(self._scene.chunks):
            await self._misbehave(number)
            yield chunk
        await self._misbehave(len(self._scene.chunks))

    async def _misbehave(self, number: int) -> None:
        match self.act:
            case Break(after) if number == after:
                raise ProviderBroke("the connection is broken, as the script says")
            case Stall(after) if number == after:
                await asyncio.Event().wait()
            case _:
                await asyncio.sleep(0)  # a client that has been cancelled learns of it here

    def __enter__(self) -> Self:
        self._scene._opened(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scene._closed(self)


@final
class Scene:
    """The script of one test: the nth request is met by the nth act, those beyond by the last.

    A fake client plays it where it would ask its provider, and a server where it answers. In the process:

        async with aclosing(scene.play()) as chunks:    # raises ProviderRefused, ProviderBroke
            async for chunk in chunks:
                ...

    In a server, which may live in another thread, `with scene.request() as request:` and then what
    `request.refusal` and `request.chunks()` say. `usage` is what each answered request is to report. Where
    `question` is not None, the job is to ask a person that before it asks the provider.
    """

    chunks: tuple[str, ...] = ("to ", "be, ", "or ", "not ", "to ", "be")
    usage: Usage = Usage(input_tokens=40, cached_tokens=32, output_tokens=6)

    def __init__(self, *acts: Act, question: str | None = None) -> None:
        self._acts = acts or (Answer(),)
        self._lock = threading.Lock()
        self._open: set[Request] = set()
        self._requests: list[Request] = []
        self._views: list[View] = []
        self.question: str | None = question

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.chunks)

    def request(self) -> Request:
        """Take in a request."""
        with self._lock:
            act = self._acts[min(len(self._requests), len(self._acts) - 1)]
            request = Request(self, act)
            self._requests.append(request)
        return request

    async def play(self) -> AsyncGenerator[str, None]:
        """Serve one request in the process: its chunks. Close it where it is left early (`aclosing`).

        Raises:
            ProviderRefused: if the script refuses the request.
            ProviderBroke: if it breaks the connection.
        """
        self.look()
        with self.request() as request:
            if request.refusal is not None:
                raise ProviderRefused(request.refusal)
            async for chunk in request.chunks():
                yield chunk

    def look(self) -> None:
        """Note what is seen here of the attempt: to be called by code of a user's that runs inside of it.

        A callback, a tool, a hook of the HTTP client. `play` does it by itself.
        """
        context = current_job()
        view = View(None if context is None else context.job.id, AROUND.get(), SUBMITTED.get())
        with self._lock:
            self._views.append(view)

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far, in order."""
        with self._lock:
            return tuple(self._requests)

    @property
    def open(self) -> int:
        """How many requests are being served now."""
        with self._lock:
            return len(self._open)

    @property
    def views(self) -> tuple[View, ...]:
        """What was seen from inside."""
        with self._lock:
            return tuple(self._views)

    def _opened(self, request: Request) -> None:
        with self._lock:
            self._open.add(request)

    def _closed(self, request: Request) -> None:
        with self._lock:
            self._open.discard(request)

"""One response of the Responses API: from the events of a stream, and to its text."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from openai.types.responses import Response

from paceline import JobContext, OutputError, OutputFailed, OutputIncomplete, OutputRefused, ToolsCalled

from ._answers import used
from ._requests import Request
from ._wire import follow

__all__ = ["answer_text", "streamed"]

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_CALLS = frozenset({"function_call", "custom_tool_call", "computer_call", "shell_call", "apply_patch_call"})
"""What the caller is to run; the provider's own tools are done by then."""


async def streamed(client: AsyncOpenAI, request: Request, ctx: JobContext) -> Response:
    """Ask for a response, and hand out its text while it comes."""
    heard = _Heard(ctx)
    try:
        await follow(client, client.responses, request.arguments, ctx, heard.hear)
        return heard.response()
    except BaseException:
        if heard.spoke:  # what was answered is paid for, though nobody will say how much it was
            ctx.usage(used(None, request.model))
        raise


class _Heard:
    """Follows the events of one stream."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx: JobContext = ctx
        self._final: dict[str, Any] | None = None
        self._failure: OutputError | None = None
        self._items: dict[int, Any] = {}
        self.spoke: bool = False
        """Whether the model has begun to answer: the prompt is read."""

    def hear(self, event: dict[str, Any]) -> None:
        """Take in the next event."""
        kind: str = event.get("type") or ""
        if kind == "response.output_text.delta":
            self.spoke = True
            if event.get("delta"):
                self._ctx.emit(event["delta"])
        elif kind in _ENDS:
            self._final = event.get("response")
        elif kind == "error":
            code: object = event.get("code")
            message = str(event.get("message") or "an error in the stream")
            self._failure = OutputFailed(message, None if code is None else str(code))
        elif kind == "response.output_item.done":
            self._items[event.get("output_index") or 0] = event.get("item")
        elif not self.spoke and (kind == "response.output_item.added" or kind.endswith(".delta")):
            # Thoughts and calls too: from here on the prompt's prefix can be read from the cache.
            self.spoke = True
            self._ctx.first_token()

    def response(self) -> Response:
        """The whole of it.

        Raises:
            OutputFailed: if the stream told of an error, or ended without an end.
        """
        if self._failure is not None:
            raise self._failure
        if self._final is None:
            raise OutputFailed("the stream ended before the response was complete")
        # Some servers leave out at the end what they have sent before.
        output = self._final.get("output") or [item for _, item in sorted(self._items.items())]
        values: dict[str, Any] = {**self._final, "output": output}
        return Response.construct(None, **values)


def answer_text(response: Response) -> str:
    """The text of a response.

    Raises:
        OutputRefused, OutputIncomplete, ToolsCalled: if there is none, or not all.
    """
    texts: list[str] = []
    calls: list[str] = []
    items: list[Any] = list(response.output or ())
    for item in items:
        if item.type == "message":
            parts: list[Any] = item.content or []
            for part in parts:
                if part.type == "refusal":
                    raise OutputRefused(str(part.refusal), response)
                texts.append(str(getattr(part, "text", None) or ""))
        elif item.type in _CALLS:
            calls.append(str(getattr(item, "name", None) or item.type))
    text = "".join(texts)
    if response.status == "incomplete":
        details = response.incomplete_details
        raise OutputIncomplete((details and details.reason) or "unknown", text, response)
    if calls and not text:
        raise ToolsCalled(tuple(calls), response)
    return text

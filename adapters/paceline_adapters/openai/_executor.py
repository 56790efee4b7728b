"""What the executors of both APIs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from openai import AsyncOpenAI

from paceline import Cost, Failure, Job, PerLoop, rough_tokens

from ._clients import clients
from ._errors import classify
from ._requests import Api, Output, Request, merged

__all__ = ["ClientExecutor"]

_OUTPUTS = (None, "text", "parsed", "response")
# Where the provider knows more of the prompt than what is sent.
_ELSEWHERE = ("previous_response_id", "conversation", "prompt")
_MOST = ("max_output_tokens", "max_completion_tokens", "max_tokens")
_READ = ("instructions", "input", "messages", "tools", "functions")


class ClientExecutor:
    """Holds the client, and what is asked of it in every job."""

    def __init__(
        self,
        api: Api,
        client: AsyncOpenAI | None,
        arguments: Mapping[str, Any],
        output: Output | None,
        *,
        breakpoints: bool,
    ) -> None:
        model: object = arguments["model"]
        if not isinstance(model, str) or not model:
            raise TypeError(f"{api.executor} needs the name of a model, not {model!r}")
        if output not in _OUTPUTS:
            raise ValueError(f"output is 'text', 'parsed' or 'response', not {output!r}")
        self._api: Api = api
        self._own: dict[str, Any] = {name: value for name, value in arguments.items() if value is not None}
        if "prompt_cache_key" in arguments:  # None says: none
            self._own["prompt_cache_key"] = arguments["prompt_cache_key"]
        api.check(self._own)
        self._clients: PerLoop[AsyncOpenAI] = clients(client)
        self._output: Output | None = output
        self._breakpoints: bool = breakpoints
        self._model: str = model

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self._model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client that was made for this event loop, if none was given.

        Left out, it is closed when the loop is (as `asyncio.run` ends). One that was given is not touched.
        """
        await self._clients.aclose()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    @property
    def resources(self) -> tuple[str, ...]:
        """The model, as `Engine(limits=)` knows it.

        One that a job names for itself is not seen here: say it by `submit(resources=)`.
        """
        return (self._model,)

    def estimate(self, job: Job, /) -> Cost | None:
        """What the job will use: its input counted roughly, and the most output that is allowed, if it is.

        What the provider keeps (an earlier response, a stored prompt) is not known; nor is anything of a
        payload that makes no request.
        """
        try:
            request = self._request(job)
        except (TypeError, ValueError):  # the job will say so
            return None
        arguments = request.arguments
        read = None
        if not any(arguments.get(name) for name in _ELSEWHERE):
            schema = None if request.format is None else request.format.model_json_schema()
            read = rough_tokens([*(arguments.get(name) for name in _READ), schema])
        return Cost(read, self._most(arguments))

    def classify(self, error: Exception, /) -> Failure:
        """Say whether another attempt may succeed, by HTTP status and headers or by kind of error."""
        return classify(error)

    def _request(self, job: Job) -> Request:
        return merged(self._api, self._own, self._output, job, breakpoints=self._breakpoints)

    def _most(self, arguments: Mapping[str, Any]) -> int | None:
        for name in _MOST:
            most = arguments.get(name)
            if isinstance(most, int) and not isinstance(most, bool):
                return most * (arguments.get("n") or 1)
        return None

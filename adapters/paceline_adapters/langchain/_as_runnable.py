"""The other way round: an engine as a Runnable, and as a tool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast, final

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list
from langchain_core.tools import StructuredTool
from pydantic import BaseModel

from paceline import Engine, GroupOptions, PacelineError, StreamLagged, SubmitOptions, WrongLoop
from paceline_adapters._langchain_core import cancelling, output_from_thread

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["EngineRunnable", "as_runnable", "as_tool"]


def as_runnable(engine: Engine, **options: Unpack[SubmitOptions]) -> EngineRunnable:
    """Make a Runnable that runs each input as a job of an engine, with these options of `submit`.

        chain = prompt | as_runnable(engine, executor=model, lane="batch") | StrOutputParser()

    `name` is also the Runnable's name in traces. The job is traced under the caller's run. A caller that
    gives up cancels its job. Options can be bound: `as_runnable(engine).bind(lane="urgent")`.

    Raises:
        ValueError: if a `key` is given: it names one job, and this makes many.
    """
    return EngineRunnable(engine, options)


def as_tool(
    engine: Engine,
    name: str,
    description: str,
    *,
    args_schema: type[BaseModel] | dict[str, Any] | None = None,
    **options: Unpack[GroupOptions],
) -> StructuredTool:
    """Make a tool, for a model to call, that runs a job of an engine.

    With `args_schema` (a pydantic model, or a JSON Schema) the job's payload is a dict of these arguments;
    `chain.get_input_schema()` serves for a chain that begins with a prompt. Without one the tool takes a
    text, `input`, and that is the payload. The job bears the tool's name and is traced under the tool's
    run. The tool is async; its `invoke` is for other threads than the engine's.
    """
    runnable = as_runnable(engine, name=name, **options)

    async def call(**arguments: Any) -> Any:
        return await runnable.job(arguments)

    def call_from_thread(**arguments: Any) -> Any:
        return runnable.job_from_thread(arguments)

    async def call_text(input: str) -> Any:  # noqa: A002 - LangChain's word for it
        return await runnable.job(input)

    def call_text_from_thread(input: str) -> Any:  # noqa: A002 - LangChain's word for it
        return runnable.job_from_thread(input)

    functions: tuple[Callable[..., Any], Callable[..., Any]] = (
        (call_text_from_thread, call_text) if args_schema is None else (call_from_thread, call)
    )
    return StructuredTool.from_function(
        *functions, name=name, description=description, args_schema=args_schema
    )


@final
class EngineRunnable(Runnable[Any, Any]):
    """An engine as a Runnable: composes with `|`, and each input becomes a job. Made by `as_runnable`.

    `ainvoke`, `astream` and `abatch` belong in the engine's event loop. `invoke`, `stream` and `batch` are
    for other threads: in a thread that runs an event loop they would block it, and raise `WrongLoop`.

    Its calls raise what awaiting a handle does: `JobFailed`, `JobCancelled`, `JobSkipped`, `JobSuspended`.
    `astream` raises `StreamRestarted` when the job is tried again after chunks of it were seen.
    """

    def __init__(self, engine: Engine, options: SubmitOptions) -> None:
        if options.get("key") is not None:
            raise ValueError("a key names one job, and this Runnable makes many: leave key= out")
        self.name: str | None = options.get("name")
        self._engine: Engine = engine
        self._options: SubmitOptions = options

    # For the engine's own loop.

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run a job and wait for its output."""
        return await self._acall_with_config(self.job, input, config, run_type="chain", **kwargs)

    async def astream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Run a job and yield its chunks; the whole output, if it emits none."""

        async def given() -> AsyncIterator[Any]:
            yield input

        chunks = self._atransform_stream_with_config(
            given(), self._chunks, config, run_type="chain", **kwargs
        )
        async with aclosing(cast("Any", chunks)):
            async for chunk in chunks:
                yield chunk

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Run a job for each input. Unless errors are to be returned, the first cancels the other jobs."""
        configs = get_config_list(config, len(inputs))
        most = configs[0].get("max_concurrency") if configs else None
        places = asyncio.Semaphore(most or len(inputs) or 1)

        async def one(payload: Any, its: RunnableConfig) -> Any:
            async with places:
                return await self.ainvoke(payload, its, **kwargs)

        calls = [asyncio.ensure_future(one(each, its)) for each, its in zip(inputs, configs, strict=True)]
        try:
            return await asyncio.gather(*calls, return_exceptions=return_exceptions)
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def job(self, payload: Any, /, **options: Any) -> Any:
        """Run a job without a run of one's own in the trace."""
        handle = await self._engine.submit(payload, **cast("SubmitOptions", {**self._options, **options}))
        with cancelling(handle):
            return await handle

    async def _chunks(self, inputs: AsyncIterator[Any], **options: Any) -> AsyncIterator[Any]:
        payload = [each async for each in inputs][-1]
        wanted = cast("SubmitOptions", {**self._options, **options, "stream": True})
        handle = await self._engine.submit(payload, **wanted)
        stream, silent = handle.stream(), True
        try:
            with cancelling(handle):
                async for chunk in stream:
                    if isinstance(chunk, StreamLagged):
                        raise PacelineError(
                            f"{chunk.missed} chunks of job {handle.name!r} came faster than they were read; "
                            "read faster, or await its whole output with ainvoke"
                        )
                    silent = False
                    yield chunk
                output = await handle
            if silent:
                yield output
        finally:
            stream.close()

    # For other threads.

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run a job from another thread and wait for its output.

        Raises:
            WrongLoop: in a thread that runs an event loop.
        """
        _refuse_in_loop("invoke", "ainvoke")
        return self._call_with_config(self.job_from_thread, input, config, run_type="chain", **kwargs)

    def stream(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Run a job from another thread; its whole output is the one chunk.

        Raises:
            WrongLoop: in a thread that runs an event loop.
        """
        yield self.invoke(input, config, **kwargs)

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Run a job for each input from another thread.

        Raises:
            WrongLoop: in a thread that runs an event loop.
        """
        _refuse_in_loop("batch", "abatch")
        return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    def job_from_thread(self, payload: Any, /, **options: Any) -> Any:
        """Run a job from another thread, without a run of one's own in the trace."""
        _refuse_in_loop("invoke", "ainvoke")
        wanted = cast("SubmitOptions", {**self._options, **options})
        return output_from_thread(self._engine.submit_threadsafe(payload, **wanted))


def _refuse_in_loop(name: str, instead: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    error = WrongLoop(name)
    advice = f"write `await runnable.{instead}(...)`; {name}() is for other threads"
    error.args = (f"{name}() would block the event loop of this thread, and with it the engine: {advice}",)
    raise error

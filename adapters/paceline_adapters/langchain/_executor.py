"""Running a LangChain Runnable as jobs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast, final

from langchain_core.runnables import Runnable, RunnableConfig

from paceline import Cost, Failure, Job, JobContext
from paceline_adapters._langchain_core import (
    StreamWatch,
    Watch,
    classify,
    close_streams,
    refuse_run_id,
    run_config,
)

from ._composition import has_model, prepared
from ._forecast import forecast, model_names
from ._streaming import Latest, Output, latest_of

__all__ = ["RunnableExecutor", "adapt"]


def adapt(obj: Runnable[Any, Any]) -> RunnableExecutor:
    """Make an executor of a Runnable; this is what `paceline.as_executor` calls."""
    return RunnableExecutor(obj)


@final
class RunnableExecutor:
    """Runs any LangChain Runnable, unchanged: a job's payload is its input, the job's output what it gives.

        executor = RunnableExecutor(prompt | model | parser, config={"tags": ["nightly"]})
        async with Engine(executor) as engine:
            handle = await engine.submit({"question": "..."}, config={"configurable": {"model": "small"}})

    The job's `config` is merged over `config` as LangChain merges them. Each attempt is a run of its own,
    with a `run_id` made from job and attempt, the names of job, group and engine run in its metadata, and as
    its parent the submitter's run, if it was submitted inside of one.

    Chunks are streamed where they are of use (`ctx.streaming`), and add up to what `ainvoke` would give. The
    first token is the model's own. Where the chain shows a model, a primer's chunks that come before it (a
    document passed through, say) do not release the followers.
    Usage is told for each call of a model, cached tokens once, and not at all where LangChain's cache
    answered; models that leave usage off in streams are exchanged for copies that do not, as far as they
    can be seen in the chain (`stream_usage=False` keeps it off). What responses say of rate limits is told
    where the model hands it out: ChatOpenAI does with `include_response_headers=True`, and then keeps all
    headers in its messages too.

    Raises:
        TypeError: if `runnable` is not a Runnable.
        ValueError: if `config` names a `run_id`: that is one run's, and goes to `submit(config=...)`.
    """

    def __init__(self, runnable: Runnable[Any, Any], *, config: RunnableConfig | None = None) -> None:
        if not isinstance(cast("object", runnable), Runnable):
            raise TypeError(
                f"RunnableExecutor takes a LangChain Runnable, not {type(runnable).__name__}; "
                "functions run as they are, Engine(function), or wrapped in RunnableLambda"
            )
        refuse_run_id(config)
        self.runnable: Runnable[Any, Any] = runnable
        self._config: RunnableConfig | None = config
        self._prepared: Runnable[Any, Any] = prepared(runnable)
        self._latest: Latest = latest_of(runnable)
        self._has_model: bool = has_model(runnable)
        self._resources: tuple[str, ...] = model_names(runnable, config)
        self._only_model: str | None = self._resources[0] if len(self._resources) == 1 else None

    def __repr__(self) -> str:
        return f"RunnableExecutor({self.name})"

    @property
    def name(self) -> str:
        """What LangChain calls the Runnable."""
        return self.runnable.get_name()

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Run it once.

        Raises:
            TypeError: if the job's config is no mapping.
        """
        streaming = ctx.streaming
        watch = (StreamWatch if streaming else Watch)(ctx, self._only_model)
        config = run_config(job, ctx, watch, self._config)
        try:
            if streaming:
                return await self._stream(job, ctx, watch, config)
            return await self._prepared.ainvoke(job.payload, config)
        except BaseException as error:
            await close_streams(error)
            raise

    @property
    def resources(self) -> tuple[str, ...]:
        """The names of the models that can be seen in the chain, as `Engine(limits=)` knows them.

        Those of fallbacks are left out, and what a job's own `config` chooses is not seen here: say it by
        `submit(resources=)`.
        """
        return self._resources

    def estimate(self, job: Job, /) -> Cost | None:
        """What the job will use, as far as it can be told; None where no model can be seen in the chain.

        Input: the prompt as it will be, counted by the model's own tokenizer where that is given
        (`custom_get_token_ids`) or tiktoken has its vocabulary in memory, else roughly; unknown where
        functions or retrievers make it. Output: the most that `max_tokens` allows, unknown where it is unset.
        """
        return forecast(self.runnable, job.payload, self._configured(job))

    def classify(self, error: Exception, /) -> Failure:
        """Say whether another attempt may succeed, by HTTP status and headers or by kind of error."""
        return classify(error)

    async def _stream(self, job: Job, ctx: JobContext, watch: Watch, config: RunnableConfig) -> object:
        output = Output(self._latest)
        # Of a primer's chunks only the model's own say that the prefix was read, and the watch tells of that.
        opens = job.role != "primer" or not self._has_model
        async with aclosing(cast("Any", self._prepared.astream(job.payload, config))) as stream:
            async for chunk in stream:
                watch.stop_if_cancelled()
                output.add(chunk)
                ctx.emit(chunk, first_token=opens)
        return output.whole()

    def _configured(self, job: Job) -> RunnableConfig:
        """What is configured of the chain itself, by the executor and, before that, by the job."""
        chosen: dict[str, Any] = {}
        for config in (self._config, job.config):
            if isinstance(config, Mapping):
                chosen.update(cast("Mapping[str, Any]", config).get("configurable") or {})
        return RunnableConfig(configurable=chosen)

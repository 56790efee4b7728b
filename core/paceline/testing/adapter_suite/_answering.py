"""Promises of answers: whole, in order, at once, counted, and seen from inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import cast

from paceline._executor import as_executor
from paceline._streams import Stream
from paceline._usage import Cost, Usage

from ._base import Parts, promise
from ._scene import Answer, Stall, View
from ._stage import Stage, check

__all__ = ["Answering", "heard"]

_BLINK = 0.2  # seconds in which what must not happen would have happened
_MANY = 8


class Answering(Parts):
    """What becomes of a job whose provider answers."""

    @promise()
    async def test_a_job_succeeds_with_the_whole_answer(self, stage: Stage) -> None:
        """One job, one request, one answer."""
        stage.answered(await stage.run())
        stage.asked(1, "A job that succeeds is asked for once")

    @promise(needs=("streaming",))
    async def test_a_streamed_job_gives_the_same_output(self, stage: Stage) -> None:
        """Streaming changes when an answer is seen, not what it is."""
        stage.answered(await stage.run(stream=True))
        stage.asked(1, "A streamed job that succeeds is asked for once")

    @promise(needs=("streaming",))
    async def test_chunks_come_in_order_and_add_up_to_the_answer(self, stage: Stage) -> None:
        """No chunk twice, none lost, none out of turn."""
        handle = await stage.submit(stream=True)
        pieces = [piece async for piece in heard(stage, handle.stream())]
        stage.answered(await stage.result(handle))
        check(
            "".join(pieces) == stage.scene.text,
            f"Chunks add up to the answer, {stage.scene.text!r}: text() read {pieces!r} of them. "
            "ctx.emit() each piece of the stream once, as it comes.",
        )
        check(
            len(pieces) > 1,
            f"An answer that comes in {len(stage.scene.chunks)} pieces is streamed: it came in one. "
            "Where ctx.streaming is true, ask the provider for a stream.",
        )

    @promise(Stall(after=2), needs=("streaming",))
    async def test_a_chunk_is_handed_on_while_the_provider_goes_on(self, stage: Stage) -> None:
        """Who listens sees the beginning before there is an end."""
        handle = await stage.submit(stream=True)
        await first_heard(stage, handle.stream())
        handle.cancel("heard")

    @promise(Stall(after=2), Answer(), needs=("streaming",))
    async def test_followers_start_at_the_primers_first_token(self, stage: Stage) -> None:
        """The prefix can be read once the provider has begun to answer."""
        payload = stage.provided.payload
        group = await stage.engine.submit_group("family", primer=payload, followers=[payload])
        assert group.primer is not None
        await stage.until(
            lambda: len(stage.scene.requests) > 1,
            lambda: (
                "Followers start at the primer's first token: none did. In a primer ctx.streaming is true; "
                "ctx.emit() its first chunk at once, or call ctx.first_token()."
            ),
        )
        stage.answered(await stage.result(group.followers[0]))
        check(group.primer.status == "running", f"The primer still streams: it is {group.primer.status!r}.")
        group.cancel("seen")

    @promise(Stall(after=0), Answer(), needs=("streaming",))
    async def test_followers_wait_until_the_provider_has_begun_to_answer(self, stage: Stage) -> None:
        """What comes before the first token (headers, frames without content) is not one."""
        payload = stage.provided.payload
        group = await stage.engine.submit_group("family", primer=payload, followers=[payload])
        await stage.reached()
        await asyncio.sleep(_BLINK)
        check(
            group.followers[0].status == "waiting",
            "Followers wait for the primer's first token: one started before there was any. ctx.emit() and "
            "ctx.first_token() are for content, not for a stream's opening frames.",
        )
        group.cancel("seen")

    @promise(needs=("usage",))
    async def test_usage_is_told_once_for_each_request(self, stage: Stage) -> None:
        """Tokens as the provider counts them, and the number of requests."""
        result = await stage.run()
        stage.answered(result)
        self._counted(stage, result.usage)

    @promise(needs=("usage", "streaming"))
    async def test_usage_is_told_of_a_streamed_answer_too(self, stage: Stage) -> None:
        """It comes with the last frame, and is neither lost nor added up over the frames."""
        result = await stage.run(stream=True)
        stage.answered(result)
        self._counted(stage, result.usage)

    @promise(slots=_MANY)
    async def test_jobs_that_run_at_once_do_not_mix(self, stage: Stage) -> None:
        """An executor serves many attempts at a time, and keeps nothing of one where another finds it."""
        streaming = "streaming" not in self.lacks
        handles = [await stage.submit(stream=streaming) for _ in range(_MANY)]
        for handle in handles:
            result = await stage.result(handle)
            stage.answered(result)
            if "usage" not in self.lacks:
                self._counted(stage, result.usage)
        stage.asked(_MANY, f"{_MANY} jobs at once are asked for once each")

    @promise(needs=("context",))
    async def test_the_context_of_the_job_is_seen_inside(self, stage: Stage) -> None:
        """Context variables of submitter and middleware, and `current_job()`: in a user's own callbacks."""
        handle = await stage.submit()
        stage.answered(await stage.result(handle))
        views = sorted(set(stage.scene.views), key=repr)
        check(
            View(handle.id, handle.id, "here") in views,
            "What runs inside of an attempt sees the context of its submitter, of middleware, and "
            f"current_job(); seen were {views}. Run the framework in the attempt's own task (threads by "
            "ctx.on_thread, tasks in a copy of the context), and call scene.look() from a callback, tool or "
            "hook of the client.",
        )

    @promise(needs=("objects",))
    async def test_a_payload_of_objects_is_taken(self, stage: Stage) -> None:
        """A payload need not be JSON: it is whatever the framework takes."""
        payload = stage.provided.objects
        check(
            payload is not None,
            "Provide objects=, a payload of the framework's own, or say that it lacks them.",
        )
        stage.answered(await stage.result(await stage.engine.submit(payload)))

    @promise()
    async def test_a_payload_is_left_as_it_was(self, stage: Stage) -> None:
        """Another attempt, and whoever else holds it, finds it unchanged."""
        before = repr(stage.provided.payload)
        stage.answered(await stage.run())
        after = repr(stage.provided.payload)
        check(
            before == after,
            f"A payload is left as it was: it was {before}, now it is {after}. Copy it first.",
        )

    @promise()
    async def test_what_the_executor_offers_can_be_used(self, stage: Stage) -> None:
        """`estimate` and `resources` are asked of every job, before it runs."""
        handle = await stage.submit()
        stage.answered(await stage.result(handle))
        executor = as_executor(stage.provided.executor)
        resources: object = getattr(executor, "resources", ())
        check(
            isinstance(resources, tuple)
            and all(isinstance(each, str) for each in cast("tuple[object, ...]", resources)),
            f"resources is a tuple of names, as Engine(limits=) knows them: it is {resources!r}.",
        )
        estimate = getattr(executor, "estimate", None)
        if estimate is not None:
            cost: object = estimate(stage.around.jobs[-1])
            check(
                cost is None or isinstance(cost, Cost),
                f"estimate(job) returns a Cost, or None where it cannot tell: it returned {cost!r}.",
            )

    def _counted(self, stage: Stage, usage: Usage | None) -> None:
        __tracebackhide__ = True
        expected = stage.scene.usage
        got = usage or Usage()
        told = (got.requests, got.input_tokens, got.output_tokens)
        check(
            told == (1, expected.input_tokens, expected.output_tokens),
            "Usage is told once for each request, ctx.usage(Usage(...)): expected (requests, input, output) "
            f"= {(1, expected.input_tokens, expected.output_tokens)}, told was {told}.",
        )
        check(
            "cached" in self.lacks or got.cached_tokens == expected.cached_tokens,
            f"Usage tells the cached tokens, which input_tokens includes: expected {expected.cached_tokens}, "
            f"told was {got.cached_tokens}.",
        )


async def heard(stage: Stage, stream: Stream) -> AsyncGenerator[str, None]:
    """The text of each chunk that has any."""
    async for chunk in stream:
        piece = stage.provided.text(chunk)
        if piece:
            yield piece


async def first_heard(stage: Stage, stream: Stream) -> None:
    """Wait until a listener has heard the first text of an answer that stalls."""
    __tracebackhide__ = True
    async with aclosing(heard(stage, stream)) as pieces:
        piece = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(stage.patience):
                piece = await anext(pieces, "")
    check(
        bool(piece) and stage.scene.text.startswith(piece),
        f"Chunks are handed on as they come: the provider has sent {stage.scene.chunks[:2]!r} and goes on, "
        f"and a listener has heard {piece!r}. ctx.emit() each chunk when it is there.",
    )

"""Promises of failures: what is worth another attempt gets one, when it may, and nothing else does."""

from __future__ import annotations

from typing import Any

from paceline._job import JobResult
from paceline._policies import RetryPolicy
from paceline._usage import Usage

from ._base import Parts, promise
from ._scene import Answer, Break, Refuse
from ._stage import Stage, check

__all__ = ["Failing"]

_AT_ONCE = RetryPolicy(3, base=0.0)
_TOO_MANY = Refuse(429, {"retry-after": "1"}, "rate_limit_exceeded")
_ASKED_TO_WAIT = 1.0  # seconds, which Retry-After tells in whole ones
_EARLY = 0.05  # seconds: two clocks


class Failing(Parts):
    """What becomes of a job whose provider fails it."""

    @promise(_TOO_MANY, Answer(), needs=("errors",), retry=_AT_ONCE)
    async def test_a_rate_limit_is_waited_for_as_long_as_the_provider_asks(self, stage: Stage) -> None:
        """Retry-After is obeyed."""
        await self._again(stage, "A job that was refused for a rate limit")
        first, second = stage.scene.requests
        waited = second.started - first.started
        check(
            waited >= _ASKED_TO_WAIT - _EARLY,
            f"Retry-After is obeyed: the provider asked for {_ASKED_TO_WAIT:g} s, the next request came "
            f"after {waited:.2f} s. classify() returns Failure(True, retry_after=...), as "
            "paceline.classify_http reads it.",
        )

    @promise(Refuse(503), Answer(), needs=("errors",), retry=_AT_ONCE)
    async def test_an_error_of_the_server_is_worth_another_attempt(self, stage: Stage) -> None:
        """A status of 500 and above passes."""
        await self._again(stage, "A job whose provider was overloaded")

    @promise(Break(after=0), Answer(), needs=("errors",), retry=_AT_ONCE)
    async def test_a_broken_connection_is_worth_another_attempt(self, stage: Stage) -> None:
        """There was no answer, and no status."""
        await self._again(stage, "A job whose connection broke")

    @promise(Break(after=2), Answer(), needs=("errors", "streaming"), retry=_AT_ONCE)
    async def test_a_stream_that_breaks_off_is_worth_another_attempt(self, stage: Stage) -> None:
        """Half an answer is none, and is not mixed into the next."""
        await self._again(stage, "A job whose stream broke off", stream=True)

    @promise(Refuse(400, code="invalid_request_error"), needs=("errors",), retry=_AT_ONCE)
    async def test_a_wrong_request_fails_at_once_in_the_providers_words(self, stage: Stage) -> None:
        """Another attempt would be as wrong."""
        await self._once(stage, "A request that is wrong")

    @promise(Refuse(401, code="invalid_api_key"), needs=("errors",), retry=_AT_ONCE)
    async def test_a_wrong_key_fails_at_once_in_the_providers_words(self, stage: Stage) -> None:
        """Another attempt has the same key."""
        await self._once(stage, "A request with a wrong key")

    @promise(Refuse(429, code="insufficient_quota"), needs=("errors",), retry=_AT_ONCE)
    async def test_a_spent_quota_fails_at_once(self, stage: Stage) -> None:
        """It comes with the status of a rate limit, and does not pass."""
        await self._once(stage, "A request beyond the quota")

    @promise(needs=("errors",), retry=_AT_ONCE)
    async def test_a_payload_that_nothing_takes_fails_at_once_in_words(self, stage: Stage) -> None:
        """A mistake of the caller's is told, not tried again. (An adapter may take any object.)"""
        result = await stage.result(await stage.engine.submit(_Foreign()))
        if result.status == "succeeded":
            return
        self._told(result, "A payload that the framework does not take")
        check(
            len(result.attempts) == 1,
            f"A payload of the wrong type is a mistake of the caller's: it was tried {len(result.attempts)} "
            "times. Raise a TypeError that says what is taken, and let classify() call it Failure(False).",
        )

    async def _again(self, stage: Stage, what: str, **options: Any) -> None:
        __tracebackhide__ = True
        result = await stage.run(**options)
        told = "" if result.error is None else f"\n{result.error.traceback}"
        check(
            result.status == "succeeded",
            f"{what} is tried again and succeeds: it is {result.status!r} (attempts: {len(result.attempts)}, "
            f"requests: {len(stage.scene.requests)}). classify() returns Failure(True, ...) for such "
            f"errors: paceline.classify_error knows those of HTTP clients.{told}",
        )
        stage.answered(result)
        stage.asked(2, f"{what} is asked for twice")
        expected, got = stage.scene.usage.input_tokens, (result.usage or Usage()).input_tokens
        check(
            "usage" in self.lacks or got == expected,
            f"Only what the provider answered is counted: expected {expected} input tokens, told were {got}.",
        )

    async def _once(self, stage: Stage, what: str) -> None:
        __tracebackhide__ = True
        result = await stage.run()
        self._told(result, what)
        check(
            len(result.attempts) == 1,
            f"{what} is not tried again: it had {len(result.attempts)} attempts. classify() returns "
            "Failure(False, ...) for such errors: paceline.classify_error knows those of HTTP clients.",
        )
        stage.asked(1, f"{what} is asked for once")
        message = "" if result.error is None else result.error.message
        refusal = stage.scene.requests[0].refusal
        assert refusal is not None
        check(
            refusal.message in message,
            f"A job fails in the words of its provider, {refusal.message!r}: its error says {message!r}. "
            "Raise the client's own error, or chain it and repeat what it says.",
        )

    def _told(self, result: JobResult, what: str) -> None:
        __tracebackhide__ = True
        check(result.status == "failed", f"{what} fails the job: it is {result.status!r}.")
        check(
            result.error is not None and bool(result.error.message),
            f"{what} fails the job with an error that says why: there is none.",
        )


class _Foreign:
    """An object that no framework knows."""

    def __repr__(self) -> str:
        return "<an object that no framework knows>"

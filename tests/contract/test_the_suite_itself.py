"""The suite can fail: a sound adapter passes, and each of these, with one flaw, breaks its promise."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from paceline.testing.adapter_suite import AdapterSuite, PromiseBroken, Provided, Scene

from . import flaws

FLAWS: list[tuple[type[flaws.Sound], str, str]] = [  # what is found, by which test, in which words
    (flaws.AnswersShort, "test_a_job_succeeds_with_the_whole_answer", "The output is the whole answer"),
    (flaws.NeverEnds, "test_a_job_succeeds_with_the_whole_answer", "A job ends"),
    (flaws.StreamsOtherOutput, "test_a_streamed_job_gives_the_same_output", "The output is the whole answer"),
    (flaws.StreamsTwice, "test_chunks_come_in_order_and_add_up_to_the_answer", "Chunks add up to the answer"),
    (
        flaws.StreamsAtTheEnd,
        "test_a_chunk_is_handed_on_while_the_provider_goes_on",
        "Chunks are handed on as they come",
    ),
    (
        flaws.StreamsAtTheEnd,
        "test_followers_start_at_the_primers_first_token",
        "Followers start at the primer's first token",
    ),
    (
        flaws.SpeaksTooSoon,
        "test_followers_wait_until_the_provider_has_begun_to_answer",
        "Followers wait for the primer's first token",
    ),
    (flaws.CountsNothing, "test_usage_is_told_once_for_each_request", "Usage is told once for each request"),
    (flaws.OverlooksTheCache, "test_usage_is_told_once_for_each_request", "Usage tells the cached tokens"),
    (
        flaws.CountsEachChunk,
        "test_usage_is_told_of_a_streamed_answer_too",
        "Usage is told once for each request",
    ),
    (flaws.KeepsWhatWasSaid, "test_jobs_that_run_at_once_do_not_mix", "The output is the whole answer"),
    (
        flaws.LosesTheContext,
        "test_the_context_of_the_job_is_seen_inside",
        "What runs inside of an attempt sees the context of its submitter",
    ),
    (flaws.TakesTextOnly, "test_a_payload_of_objects_is_taken", "A job whose provider answers succeeds"),
    (flaws.MarksPayloads, "test_a_payload_is_left_as_it_was", "A payload is left as it was"),
    (
        flaws.NamesResourcesLoosely,
        "test_what_the_executor_offers_can_be_used",
        "resources is a tuple of names",
    ),
    (flaws.GuessesInWords, "test_what_the_executor_offers_can_be_used", "estimate"),
    (
        flaws.RunsOn,
        "test_cancelling_ends_the_providers_request",
        "Cancelling a job ends the provider's request",
    ),
    (
        flaws.LeavesStreamsOpen,
        "test_cancelling_mid_stream_ends_the_providers_request",
        "Cancelling a job in the middle of its stream ends the provider's request",
    ),
    (
        flaws.NeverUnlocks,
        "test_a_timeout_ends_the_request_and_another_attempt_succeeds",
        "A job whose provider answers succeeds",
    ),
    (flaws.ClingsToItsSlot, "test_cancelling_ends_the_providers_request", "A cancelled attempt ends"),
    (flaws.StartsTasks, "test_nothing_is_left_running_or_open", "Jobs leave no tasks"),
    (flaws.StartsTasks, "test_a_job_succeeds_with_the_whole_answer", "Nothing is left running"),
    (flaws.StartsThreads, "test_nothing_is_left_running_or_open", "Jobs leave no threads"),
    (
        flaws.LeaksWhenCancelled,
        "test_cancelled_streams_leave_nothing",
        "Cancelling a job ends the provider's request",
    ),
    (flaws.StartsThreads, "test_cancelled_streams_leave_nothing", "Jobs leave no threads"),
    (
        flaws.GivesUp,
        "test_a_rate_limit_is_waited_for_as_long_as_the_provider_asks",
        "A job that was refused for a rate limit is tried again and succeeds",
    ),
    (
        flaws.IsInAHurry,
        "test_a_rate_limit_is_waited_for_as_long_as_the_provider_asks",
        "Retry-After is obeyed",
    ),
    (
        flaws.GivesUp,
        "test_an_error_of_the_server_is_worth_another_attempt",
        "A job whose provider was overloaded is tried again and succeeds",
    ),
    (
        flaws.TriesItself,
        "test_a_wrong_request_fails_at_once_in_the_providers_words",
        "A request that is wrong is asked for once",
    ),
    (
        flaws.GivesUpConnections,
        "test_a_broken_connection_is_worth_another_attempt",
        "A job whose connection broke is tried again and succeeds",
    ),
    (
        flaws.KeepsHalfAnswers,
        "test_a_stream_that_breaks_off_is_worth_another_attempt",
        "The output is the whole answer",
    ),
    (
        flaws.NeverGivesUp,
        "test_a_wrong_request_fails_at_once_in_the_providers_words",
        "A request that is wrong is not tried again",
    ),
    (
        flaws.SpeaksForItself,
        "test_a_wrong_key_fails_at_once_in_the_providers_words",
        "A job fails in the words of its provider",
    ),
    (flaws.NeverGivesUp, "test_a_spent_quota_fails_at_once", "A request beyond the quota is not tried again"),
    (
        flaws.NeverGivesUp,
        "test_a_payload_that_nothing_takes_fails_at_once_in_words",
        "A payload of the wrong type is a mistake of the caller's",
    ),
    (flaws.AsksInPrivate, "test_a_question_suspends_the_job_and_frees_its_slot", "A question can be read"),
    (
        flaws.WaitsForTheAnswer,
        "test_a_question_suspends_the_job_and_frees_its_slot",
        "A job that rests keeps no request open. Close it before Suspend is returned.",
    ),
    (
        flaws.AsksNobody,
        "test_a_question_suspends_the_job_and_frees_its_slot",
        "A job that asks a person is suspended",
    ),
    (flaws.AsksForEver, "test_an_answer_lets_the_job_go_on_to_its_end", "An answer is used"),
    (
        flaws.AsksOnce,
        "test_an_answer_that_does_not_fit_leaves_the_question_open",
        "An answer that does not fit leaves the question open",
    ),
    (flaws.ForgetsTheAnswer, "test_a_failure_after_the_answer_does_not_ask_again", "An answer is used"),
    (
        flaws.WaitsForTheAnswer,
        "test_a_job_is_cancelled_while_it_asks",
        "The end of its jobs ends the provider's request",
    ),
    (flaws.KeepsObjects, "test_what_a_suspended_job_keeps_is_plain_data", "Suspend"),
]
PROMISES = sorted(name for name in dir(AdapterSuite) if name.startswith("test_"))


def suite_for(kind: type[flaws.Sound]) -> AdapterSuite:
    class Suite(AdapterSuite):
        patience = 5.0 if kind is flaws.Sound else 1.5

        @asynccontextmanager
        async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
            yield Provided(
                kind(scene), payload={"ask": "to be"}, objects=frozenset({"to be"}), reply="yes", bad_reply=7
            )

    return Suite()


@pytest.mark.parametrize("name", PROMISES)
def test_a_sound_adapter_keeps(name: str) -> None:
    getattr(suite_for(flaws.Sound), name)()


@pytest.mark.parametrize(
    ("kind", "name", "words"), FLAWS, ids=[f"{kind.__name__}-{name}" for kind, name, _ in FLAWS]
)
def test_a_flaw_is_found(kind: type[flaws.Sound], name: str, words: str) -> None:
    with pytest.raises(PromiseBroken, match=f"^{re.escape(words)}"):
        getattr(suite_for(kind), name)()


def test_every_promise_can_be_broken() -> None:
    assert sorted({name for _, name, _ in FLAWS}) == PROMISES


def test_a_promise_that_an_adapter_lacks_is_skipped_with_its_reason() -> None:
    class Mute(AdapterSuite):
        lacks = {"streaming": "it answers by post"}  # noqa: RUF012

        @asynccontextmanager
        async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
            yield Provided(flaws.Sound(scene))

    with pytest.raises(BaseException, match="lacks streaming: it answers by post") as skipped:
        Mute().test_chunks_come_in_order_and_add_up_to_the_answer()
    assert type(skipped.value).__name__ == "SkipTest"


@pytest.mark.parametrize("lacks", [{"straming": "a slip"}, {"streaming": ""}])
def test_what_is_lacking_has_a_known_name_and_a_reason(lacks: Any) -> None:
    with pytest.raises(ValueError, match=r"lacks"):
        type("Slip", (AdapterSuite,), {"lacks": lacks})


def test_an_error_of_what_is_provided_is_shown_as_it_is() -> None:
    class Unplugged(AdapterSuite):
        @asynccontextmanager
        async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
            if not scene.open:
                raise OSError("no port is free")
            yield Provided(flaws.Sound(scene))

    with pytest.raises(OSError, match="no port is free"):
        Unplugged().test_a_job_succeeds_with_the_whole_answer()


def test_code_outside_of_a_job_is_seen_to_be_outside() -> None:
    scene = Scene()
    scene.look()
    assert scene.views == ((None, None, None),)

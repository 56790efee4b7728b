"""Responses in the background, as the official client sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response

from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Connect = Callable[[Simulator], OpenAI]


def begin(client: OpenAI, wishes: str | None = None, **options: Any) -> Any:
    create: Any = client.responses.create
    headers = None if wishes is None else {"x-simulate": wishes}
    return create(model="simulator", input="hello", background=True, extra_headers=headers, **options)


def until(client: OpenAI, ident: str, *statuses: str) -> Response:
    """Ask for a response until it has one of these statuses: nothing else tells when that is."""
    deadline = time.monotonic() + 20
    while (response := client.responses.retrieve(ident)).status not in statuses:
        assert time.monotonic() < deadline, response
        time.sleep(0.005)
    return response


def test_it_is_queued_at_once_and_found_complete_later(client: OpenAI, server: Simulator) -> None:
    begun = begin(client, max_output_tokens=9)
    assert (begun.status, begun.background, begun.output, begun.usage) == ("queued", True, [], None)
    done = until(client, begun.id, "completed")
    plain = client.responses.create(model="simulator", input="hello", max_output_tokens=9)
    assert (done.id, done.output_text) == (begun.id, plain.output_text)
    assert done.usage is not None
    assert done.usage.output_tokens == 9
    assert server.stats().requests == 2


def test_it_goes_on_though_nobody_is_connected_and_is_stopped_by_cancelling(
    client: OpenAI, server: Simulator
) -> None:
    begun = begin(client, "hang=3")
    working = until(client, begun.id, "in_progress")
    assert (working.output, working.usage) == ([], None)
    assert (server.stats().running, server.stats().unfinished) == (1, 0)
    stopped = client.responses.cancel(begun.id)
    assert (stopped.status, stopped.output) == ("cancelled", [])
    assert client.responses.cancel(begun.id).status == "cancelled"
    stats = server.stats()
    assert (stats.running, stats.cancelled) == (0, 1)


def test_one_that_waits_for_a_place_is_queued_and_gives_up_its_turn(serve: Serve, connect: Connect) -> None:
    server = serve(concurrency=1)
    client = connect(server)
    first = begin(client, "hang=1")
    until(client, first.id, "in_progress")
    second = begin(client)
    assert client.responses.retrieve(second.id).status == "queued"
    assert server.stats().waiting == 1
    client.responses.cancel(second.id)
    assert (server.stats().waiting, server.stats().running) == (0, 1)
    client.responses.cancel(first.id)


def test_cancelling_what_is_complete_leaves_it_as_it_is(client: OpenAI, server: Simulator) -> None:
    done = until(client, begin(client).id, "completed")
    assert client.responses.cancel(done.id).output_text == done.output_text
    assert server.stats().cancelled == 0


def test_work_that_breaks_off_has_failed(client: OpenAI, server: Simulator) -> None:
    failed = until(client, begin(client, "drop=2").id, "failed")
    assert failed.error is not None
    assert failed.error.code == "server_error"
    assert (server.stats().errors, server.stats().running) == (1, 0)


def test_a_stream_of_it_can_be_left_and_taken_up_after_any_event(client: OpenAI, server: Simulator) -> None:
    stream = begin(client, "hang=40", stream=True)
    seen = [event for event, _ in zip(stream, range(8), strict=False)]
    ident = seen[0].response.id
    assert [event.type for event in seen[:4]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.output_item.added",
    ]
    stream.close()
    rest = iter(client.responses.retrieve(ident, stream=True, starting_after=seen[-1].sequence_number))
    assert next(rest).sequence_number == seen[-1].sequence_number + 1
    client.responses.cancel(ident)
    assert all(event.type == "response.output_text.delta" for event in rest)
    assert server.stats().cancelled == 1


def test_the_whole_stream_can_be_read_afterwards(client: OpenAI) -> None:
    done = until(client, begin(client, max_output_tokens=40).id, "completed")
    events = list(client.responses.retrieve(done.id, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == done.output_text


def test_what_is_not_there_and_a_number_that_is_none_are_refused(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_unknown")
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel(client.responses.create(model="simulator", input="x").id)
    done = until(client, begin(client).id, "completed")
    with pytest.raises(openai.BadRequestError, match="starting_after"):
        client.responses.retrieve(done.id, stream=True, extra_query={"starting_after": "x", "stream": "true"})


def test_asking_for_it_may_fail_on_demand_too(client: OpenAI) -> None:
    done = until(client, begin(client).id, "completed")
    wishes = {"x-simulate": "status=503, first=1"}
    with pytest.raises(openai.InternalServerError):
        client.responses.retrieve(done.id, extra_headers=wishes)
    assert client.responses.retrieve(done.id, extra_headers=wishes).status == "completed"


def test_those_that_have_ended_are_forgotten_first(serve: Serve, connect: Connect) -> None:
    client = connect(serve(remember=2))
    hanging = begin(client, "hang=1")
    ended = until(client, begin(client).id, "completed")
    last = begin(client)
    assert client.responses.retrieve(hanging.id).status == "in_progress"
    assert client.responses.retrieve(last.id).id == last.id
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(ended.id)

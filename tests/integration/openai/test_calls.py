"""One job, one call: what may be asked, and what comes of it, in both APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAI
from openai.types.chat import ChatCompletion
from openai.types.responses import EasyInputMessageParam, Response
from pydantic import BaseModel

from paceline import (
    Cost,
    Engine,
    Job,
    JobContext,
    JobResult,
    RateLimits,
    RetryPolicy,
    Usage,
    current_job,
    parse_rate_limits,
)
from paceline_adapters.openai import ChatExecutor, ResponsesExecutor
from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Run = Callable[..., Any]
Make = type[ResponsesExecutor] | type[ChatExecutor]

BOTH = pytest.mark.parametrize("make", [ResponsesExecutor, ChatExecutor])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
INPUT = {ResponsesExecutor: "input", ChatExecutor: "messages"}
FORMAT = {ResponsesExecutor: "text_format", ChatExecutor: "response_format"}
MOST = {ResponsesExecutor: "max_output_tokens", ChatExecutor: "max_completion_tokens"}


class City(BaseModel):
    name: str
    people: int


def made(make: Make, client: AsyncOpenAI | None = None, **options: Any) -> ResponsesExecutor | ChatExecutor:
    return make(client, model="simulator", **options)


def options(make: Make, **named: Any) -> dict[str, Any]:
    names = {"format": FORMAT[make], "most": MOST[make], "input": INPUT[make]}
    return {names.get(name, name): value for name, value in named.items()}


@BOTH
@STREAMED
def test_a_text_gives_a_text(run: Run, serve: Serve, make: Make, stream: bool) -> None:
    server = serve()

    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(made(make, client, instructions="Be brief.", **options(make, most=8))) as engine:
            return await (await engine.submit("Why?", stream=stream)).wait()

    result = run(server.base_url, main)
    assert result.ok, result.error
    assert isinstance(result.output, str)
    assert result.output
    usage, stats = result.usage, server.stats()
    assert (usage.requests, usage.model, usage.output_tokens) == (1, "simulator", 8)
    assert usage.input_tokens == stats.prompt_tokens
    assert usage.cached_tokens == 0
    assert server.requests()[0].stream is stream


@BOTH
def test_chunks_come_in_order_and_add_up_to_the_output(run: Run, serve: Serve, make: Make) -> None:
    server = serve(decode_rate=400)

    async def main(client: AsyncOpenAI) -> tuple[list[Any], Any]:
        async with Engine(made(make, client)) as engine:
            handle = await engine.submit("Why?", stream=True)
            return [chunk async for chunk in handle.stream()], await handle

    chunks, output = run(server.base_url, main)
    assert len(chunks) > 2
    assert "".join(chunks) == output


@BOTH
def test_the_first_token_is_the_first_content_not_the_frame_before_it(
    run: Run, serve: Serve, make: Make
) -> None:
    """The simulator opens its stream at once, and takes half a second to read the prompt."""
    server = serve(prefill_rate=20, decode_rate=0)

    async def main(client: AsyncOpenAI) -> tuple[JobResult, JobResult]:
        async with Engine(made(make, client)) as engine:
            group = await engine.submit_group("g", primer="a b c d e f g", followers=["x"])
            first, second = await group.results()
            return first, second

    primer, follower = run(server.base_url, main)
    read = primer.usage.input_tokens / 20
    assert follower.attempts[0].started - primer.attempts[0].started >= read


@BOTH
def test_messages_and_mappings_are_taken_too_and_the_job_has_the_last_word(
    run: Run, serve: Serve, make: Make
) -> None:
    server = serve()
    message = EasyInputMessageParam(role="user", content="Why?")
    payloads: list[Any] = [
        [message],
        (message,),
        {INPUT[make]: [message], MOST[make]: 5},
        {INPUT[make]: "Why?", MOST[make]: 5},
    ]

    async def main(client: AsyncOpenAI) -> list[int | None]:
        found: list[int | None] = []
        async with Engine(made(make, client, **options(make, most=3))) as engine:
            async for result in engine.map(payloads, ordered=True, config={MOST[make]: 4}):
                assert result.ok, result.error
                assert result.usage is not None
                found.append(result.usage.output_tokens)
        return found

    assert run(server.base_url, main) == [4, 4, 5, 5]
    bodies = [request.body for request in server.requests()]
    assert all(body[INPUT[make]] in ([message], "Why?") for body in bodies)


def test_answers_of_the_client_go_back_in_as_they_came(run: Run, serve: Serve) -> None:
    server = serve()

    async def main(client: AsyncOpenAI) -> str:
        async with Engine(made(ResponsesExecutor, client, output="response")) as engine:
            first: Response = await (await engine.submit("Why?"))
            await (await engine.submit([{"role": "user", "content": "Why?"}, *first.output]))
            return first.output_text

    text = run(server.base_url, main)
    _, again = server.requests()
    assert again.body["input"][1]["content"][0]["text"] == text


@BOTH
@STREAMED
def test_the_whole_response_where_it_is_wanted(run: Run, serve: Serve, make: Make, stream: bool) -> None:
    async def main(client: AsyncOpenAI) -> tuple[Any, Any]:
        async with Engine(made(make, client, output="response", **options(make, most=8))) as engine:
            text = await (await engine.submit("Why?", executor=made(make, client, **options(make, most=8))))
            return await (await engine.submit("Why?", stream=stream)), text

    whole, text = run(serve().base_url, main)
    if make is ResponsesExecutor:
        assert isinstance(whole, Response)
        assert whole.output_text == text
    else:
        assert isinstance(whole, ChatCompletion)
        assert whole.choices[0].message.content == text
        assert whole.choices[0].message.role == "assistant"
        assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None


@BOTH
@STREAMED
def test_a_pydantic_model_gives_an_object_of_it(run: Run, serve: Serve, make: Make, stream: bool) -> None:
    server = serve()

    async def main(client: AsyncOpenAI) -> tuple[object, object]:
        async with Engine(made(make, client, **options(make, format=City))) as engine:
            fixed = await (await engine.submit("Which?", stream=stream))
        async with Engine(made(make, client)) as engine:
            asked = {INPUT[make]: "Which?", FORMAT[make]: City}
            return fixed, await (await engine.submit(asked, stream=stream))

    for city in run(server.base_url, main):
        assert isinstance(city, City)
    assert "City" in str(server.requests()[0].body)


def test_a_format_leaves_the_other_settings_of_the_text_alone(run: Run, serve: Serve) -> None:
    server = serve()

    async def main(client: AsyncOpenAI) -> object:
        executor = ResponsesExecutor(client, model="m", text_format=City, text={"verbosity": "low"})
        async with Engine(executor) as engine:
            return await (await engine.submit("Which?"))

    assert isinstance(run(server.base_url, main), City)
    text = server.requests()[0].body["text"]
    assert (text["verbosity"], text["format"]["type"]) == ("low", "json_schema")


@BOTH
@STREAMED
def test_what_a_response_says_of_limits_is_told(
    run: Run, serve: Serve, make: Make, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(rpm=600, tpm=600_000)
    told: list[RateLimits | None] = []
    tell = JobContext.rate_limits

    def hear(ctx: JobContext, said: Any) -> None:
        told.append(parse_rate_limits(said))
        tell(ctx, said)

    monkeypatch.setattr(JobContext, "rate_limits", hear)

    async def main(client: AsyncOpenAI) -> None:
        async with Engine(made(make, client)) as engine:
            await (await engine.submit("Why?", stream=stream))

    run(server.base_url, main)
    (limits,) = told
    assert limits is not None
    assert limits.requests is not None
    assert limits.requests.remaining == 599


@BOTH
def test_context_variables_and_the_current_job_are_seen_by_hooks_of_the_client(
    run: Run, serve: Serve, make: Make
) -> None:
    seen: list[str] = []

    async def note(_request: object) -> None:
        job = current_job()
        assert job is not None
        seen.append(job.job.name)

    async def main(client: AsyncOpenAI) -> None:
        async with DefaultAsyncHttpxClient(event_hooks={"request": [note]}) as connections:
            own = AsyncOpenAI(
                base_url=client.base_url,
                api_key="none",
                http_client=connections,
                default_headers={"x-own": "1"},
            )
            async with Engine(made(make, own)) as engine:
                await (await engine.submit("Why?", name="asked"))

    server = serve()
    run(server.base_url, main)
    assert seen == ["asked"]
    assert server.requests()[0].headers["x-own"] == "1"


@BOTH
def test_estimates_know_the_prompt_and_the_most_that_may_be_answered(make: Make) -> None:
    client = AsyncOpenAI(api_key="none")

    def estimate(executor: ResponsesExecutor | ChatExecutor, payload: Any) -> Cost | None:
        return executor.estimate(Job("1", "j", "e", payload))

    plain, bound = made(make, client), made(make, client, **options(make, most=50))
    formed = made(make, client, **options(make, format=City))
    assert plain.resources == ("simulator",)
    short, longer = estimate(plain, "Why?"), estimate(bound, "Why? " * 100)
    assert short is not None
    assert short.output_tokens is None
    assert longer is not None
    assert longer.output_tokens == 50
    assert 100 < (longer.input_tokens or 0) < 200
    with_schema = estimate(formed, "Why?")
    assert with_schema is not None
    assert (with_schema.input_tokens or 0) > (short.input_tokens or 0)
    assert estimate(plain, 7) is None


def test_what_the_provider_remembers_cannot_be_estimated() -> None:
    executor = ResponsesExecutor(AsyncOpenAI(api_key="none"), model="m", previous_response_id="resp_1")
    assert executor.estimate(Job("1", "j", "e", "Why?")) == Cost(None, None)


@BOTH
@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (7, "takes a text, a list of"),
        (None, "takes a text, a list of"),
        ({"role": "user", "content": "Why?"}, "put it in a list"),
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"prefix": [], "input": "x", "messages": "x"}, "does not take"),
        ({"prefix": []}, "the prefix is empty"),
        ({"prefix": 7}, "messages are a text or a list"),
        ({"prefix": {"role": "user"}}, "in a list"),
    ],
)
def test_a_payload_of_the_wrong_kind_fails_its_job_once_and_says_what_is_taken(
    serve: Serve, run: Run, make: Make, payload: Any, says: str
) -> None:
    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(made(make, client), retry=RetryPolicy(3, base=0)) as engine:
            return await (await engine.submit(payload)).wait()

    result = run(serve().base_url, main)
    assert result.status == "failed"
    assert says in result.error.message
    assert len(result.attempts) == 1


@BOTH
@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"client": OpenAI(api_key="none")}, TypeError, r"give an AsyncOpenAI\("),
        ({"client": "https://localhost"}, TypeError, "must be an openai.AsyncOpenAI"),
        ({"model": ""}, TypeError, "needs the name of a model"),
        ({"model": None}, TypeError, "needs the name of a model"),
        ({"output": "json"}, ValueError, "output is 'text'"),
        ({"temprature": 1}, TypeError, "did you mean 'temperature'"),
        ({"top_k": 5}, TypeError, r"extra_body=\{'top_k'"),
    ],
)
def test_an_executor_that_cannot_work_is_refused_when_it_is_made(
    make: Make, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        cast("Any", make)(**{"model": "m", **settings})


@pytest.mark.parametrize("poll", [(0, 1), (2, 1), (1, float("inf")), (-1, 3)])
def test_a_poll_that_makes_no_sense_is_refused(poll: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="poll is"):
        ResponsesExecutor(model="m", background=True, poll=poll)


@BOTH
def test_formats_and_configs_that_make_no_sense_are_refused(serve: Serve, run: Run, make: Make) -> None:
    async def main(client: AsyncOpenAI) -> list[str]:
        async with Engine(made(make, client)) as engine:
            handles = [
                await engine.submit({INPUT[make]: "x", FORMAT[make]: int}),
                await engine.submit("x", config=7),
                await engine.submit("x", executor=made(make, client, output="parsed")),
            ]
            results = [await handle.wait() for handle in handles]
            return [result.error.message for result in results if result.error is not None]

    formatted, configured, unparsed = run(serve().base_url, main)
    assert "must be a pydantic model, not int" in formatted
    assert "config of a job" in configured
    assert "needs a pydantic model" in unparsed


def test_several_choices_are_for_those_who_take_the_whole_response(serve: Serve, run: Run) -> None:
    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(made(ChatExecutor, client, n=2)) as engine:
            return await (await engine.submit("x")).wait()

    assert "output='response'" in run(serve().base_url, main).error.message


def test_without_a_client_one_is_made_from_the_environment_and_closed_with_the_loop(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    executor = ResponsesExecutor(model="simulator")
    made_of_it: list[AsyncOpenAI] = []

    async def main() -> None:
        async with Engine(executor) as engine:
            assert [result.ok async for result in engine.map(["x"] * 5)] == [True] * 5
        made_of_it.append(await executor._clients.get())
        assert not made_of_it[-1].is_closed()

    for _ in range(2):  # the second loop has another one
        asyncio.run(main())
        assert made_of_it[-1].is_closed()
    assert made_of_it[0] is not made_of_it[1]


def test_without_a_client_it_can_be_closed_before(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", serve().base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    async def main() -> None:
        async with ChatExecutor(model="simulator") as executor:
            async with Engine(executor) as engine:
                await (await engine.submit("x"))
            client = await executor._clients.get()
        assert client.is_closed()
        await executor.aclose()

    asyncio.run(main())


def test_without_a_client_or_a_key_the_job_fails_at_once_and_says_so() -> None:
    async def main() -> JobResult:
        async with Engine(ChatExecutor(model="m"), retry=RetryPolicy(3, base=0)) as engine:
            return await (await engine.submit("x")).wait()

    result = asyncio.run(main())
    assert len(result.attempts) == 1
    assert result.error is not None
    assert "OPENAI_API_KEY" in result.error.message


def test_usage_adds_up_over_the_jobs_of_a_map(run: Run, serve: Serve) -> None:
    server = serve()

    async def main(client: AsyncOpenAI) -> Usage:
        total = Usage()
        async with Engine(made(ChatExecutor, client), slots=1) as engine:
            async for result in engine.map(["the same long words " * 50] * 3):
                assert result.usage is not None
                total += result.usage
        return total

    total, stats = run(server.base_url, main), server.stats()
    assert (total.input_tokens, total.cached_tokens) == (stats.prompt_tokens, stats.cached_tokens)
    assert stats.cached_tokens > 0

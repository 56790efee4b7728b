"""`paceline simulate`: serve the provider simulator until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import ValidationError

if TYPE_CHECKING:
    from paceline_integrations.simulator import SimulatorSettings

__all__ = ["simulate"]


def _option(name: str, help_text: str, *, metavar: str = "N") -> Any:
    # The variable's name is click's own convention: program, command, option.
    variable = f"PACELINE_SIMULATE_{name.removeprefix('--').replace('-', '_').upper()}"
    return typer.Option(name, envvar=variable, metavar=metavar, help=help_text)


Port = Annotated[int, _option("--port", "Port to listen on; 0 takes a free one.")]
Host = Annotated[str, _option("--host", "Address to listen on.", metavar="ADDRESS")]
Cache = Annotated[
    Literal["shared", "slot", "none"],
    _option("--cache", "Prefix cache: blocks shared by all, a prompt per slot, or none.", metavar="KIND"),
]
Slots = Annotated[int, _option("--slots", "With --cache slot: its slots, and so the requests at once.")]
Block = Annotated[int, _option("--block", "Tokens in a block of the shared cache.", metavar="TOKENS")]
MinPrefix = Annotated[int, _option("--min-prefix", "Shortest prefix that is cached.", metavar="TOKENS")]
Ttl = Annotated[
    float, _option("--ttl", "Life of a block from the start of its last use; 0: for ever.", metavar="S")
]
Capacity = Annotated[int | None, _option("--capacity", "Size of the shared cache.", metavar="TOKENS")]
PrefillRate = Annotated[
    float, _option("--prefill-rate", "Prompt tokens read a second; 0: at once.", metavar="TOKENS/S")
]
DecodeRate = Annotated[
    float, _option("--decode-rate", "Answer tokens written a second; 0: at once.", metavar="TOKENS/S")
]
Rpm = Annotated[int | None, _option("--rpm", "Requests a minute; more are refused with 429.")]
Tpm = Annotated[int | None, _option("--tpm", "Tokens a minute, asked ones included; more are refused.")]
Burst = Annotated[
    float, _option("--burst", "Share of a minute's worth that may come at once.", metavar="SHARE")
]
Seed = Annotated[int, _option("--seed", "Decides answers, jitter and faults.")]
Latency = Annotated[float, _option("--latency", "Wait before each request is looked at.", metavar="S")]
Jitter = Annotated[float, _option("--jitter", "Up to so much more latency, at random.", metavar="S")]
Concurrency = Annotated[int | None, _option("--concurrency", "Requests worked on at once; others wait.")]
FailRate = Annotated[float, _option("--fail-rate", "Share of requests answered 500.", metavar="SHARE")]
DropRate = Annotated[float, _option("--drop-rate", "Share of answers cut in the middle.", metavar="SHARE")]
Models = Annotated[
    list[str] | None, _option("--model", "Name that GET /v1/models lists; any is served.", metavar="NAME")
]


def simulate(
    port: Port = 8080,
    host: Host = "127.0.0.1",
    cache: Cache = "shared",
    slots: Slots = 4,
    block: Block = 16,
    min_prefix: MinPrefix = 0,
    ttl: Ttl = 300.0,
    capacity: Capacity = None,
    prefill_rate: PrefillRate = 0.0,
    decode_rate: DecodeRate = 0.0,
    rpm: Rpm = None,
    tpm: Tpm = None,
    burst: Burst = 1.0,
    seed: Seed = 0,
    latency: Latency = 0.0,
    jitter: Jitter = 0.0,
    concurrency: Concurrency = None,
    fail_rate: FailRate = 0.0,
    drop_rate: DropRate = 0.0,
    model: Models = None,
) -> None:
    """Serve an OpenAI-compatible API that needs no key and costs nothing.

    Answers are made-up text, the same for the same seed and prompt; usage tells cached tokens as the chosen
    prefix cache has them. GET /_stats counts tokens and requests, GET /_requests shows the last ones, POST
    /_reset clears counts and cache. GigaChat's API is below /api instead of /v1. A request asks for faults of
    its own by a header such as `x-simulate: latency=0.5, status=503, retry-after=2` (also drop=N, hang,
    first=N). Each option can also be given as an environment variable: PACELINE_SIMULATE_PORT and so on.
    """
    settings = _settings(
        cache=cache,
        slots=slots,
        block=block,
        min_prefix=min_prefix,
        ttl=ttl or None,
        capacity=capacity,
        prefill_rate=prefill_rate,
        decode_rate=decode_rate,
        rpm=rpm,
        tpm=tpm,
        burst=burst,
        seed=seed,
        latency=latency,
        jitter=jitter,
        concurrency=concurrency,
        fail_rate=fail_rate,
        drop_rate=drop_rate,
        models=tuple(model or ("simulator",)),
    )
    _serve(settings, host, port)


def _settings(**values: object) -> SimulatorSettings:
    # Imported late, here and below: `paceline --help` need not load a web server.
    from paceline_integrations.simulator import SimulatorSettings

    try:
        return SimulatorSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:
            raise typer.BadParameter(first["msg"]) from error
        option = f"--{str(first['loc'][0]).replace('_', '-')}"
        raise typer.BadParameter(f"{option}: {first['msg']}, not {first['input']!r}") from error


def _serve(settings: SimulatorSettings, host: str, port: int) -> None:
    from paceline_integrations.simulator import serve

    def announce(base_url: str) -> None:
        typer.echo(f"simulator ({settings.cache} cache) at {base_url}, stop with Ctrl-C")

    try:
        serve(settings, host=host, port=port, on_ready=announce)
    except OSError as error:
        raise typer.BadParameter(f"cannot listen on {host} port {port}: {error}") from error
    except KeyboardInterrupt:
        raise typer.Exit(0) from None  # Ctrl-C is how it is meant to end

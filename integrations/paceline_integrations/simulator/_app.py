"""The HTTP application: which path is answered by what."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ._answering import Answering
from ._backend import Backend
from ._background import Shelf
from ._chat import ChatAnswer, parse_chat
from ._endpoint import Endpoint
from ._errors import ApiError
from ._gigachat import give_token, refusal
from ._gigachat_v1 import GigaChatAnswer, parse_gigachat
from ._gigachat_v2 import GigaChatPrimaryAnswer, parse_gigachat_primary
from ._response_answer import ResponseAnswer
from ._responses import parse_response
from ._settings import SimulatorSettings

__all__ = ["build_app", "create_app"]


def create_app(settings: SimulatorSettings | None = None) -> Starlette:
    """Make the simulator as an ASGI application, to be served by a server of one's own.

    It answers as OpenAI does below /v1 (chat/completions, responses, also in the background, models), as
    GigaChat does below /api (v1/chat/completions, v2/chat/completions, v2/oauth, v1/models), and tells of
    itself: GET /_stats, GET /_requests, POST /_reset. A drop mid-stream is an answer left unfinished: the
    server must break the connection then, as uvicorn does.
    """
    return build_app(Backend(settings or SimulatorSettings()))


def build_app(backend: Backend) -> Starlette:
    """Make the application around a backend."""
    models = [
        {"id": name, "object": "model", "created": 0, "owned_by": "paceline"}
        for name in backend.settings.models
    ]

    async def list_models(_request: Request) -> Response:
        return JSONResponse({"object": "list", "data": models})

    async def stats(_request: Request) -> Response:
        return JSONResponse(backend.stats().model_dump())

    async def requests(_request: Request) -> Response:
        return JSONResponse([one.model_dump() for one in backend.log.told()])

    async def reset(_request: Request) -> Response:
        backend.reset()
        return JSONResponse(backend.stats().model_dump())

    return Starlette(
        routes=[
            *_openai(backend),
            *_gigachat(backend),
            Route("/v1/models", list_models, methods=["GET"]),
            Route("/api/v1/models", list_models, methods=["GET"]),
            Route("/_stats", stats, methods=["GET"]),
            Route("/_requests", requests, methods=["GET"]),
            Route("/_reset", reset, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, 500: _broken},
    )


def _openai(backend: Backend) -> list[Route]:
    shelf = Shelf(backend)
    chat = Answering(backend, parse_chat, ChatAnswer)
    responses = Answering(backend, parse_response, ResponseAnswer, shelf)
    return [
        Route("/v1/chat/completions", Endpoint(backend, chat), methods=["POST"]),
        Route("/v1/responses", Endpoint(backend, responses), methods=["POST"]),
        Route("/v1/responses/{ident}", Endpoint(backend, shelf.retrieve), methods=["GET"]),
        Route("/v1/responses/{ident}/cancel", Endpoint(backend, shelf.cancel), methods=["POST"]),
    ]


def _gigachat(backend: Backend) -> list[Route]:
    first = Answering(backend, parse_gigachat, GigaChatAnswer)
    primary = Answering(backend, parse_gigachat_primary, GigaChatPrimaryAnswer)
    return [
        Route("/api/v1/chat/completions", Endpoint(backend, first, refusal), methods=["POST"]),
        Route("/api/v2/chat/completions", Endpoint(backend, primary, refusal), methods=["POST"]),
        Route("/api/v2/oauth", Endpoint(backend, give_token, refusal), methods=["POST"]),
    ]


def _http_error(request: Request, error: Exception) -> Response:
    """An unknown path or method, in OpenAI's shape."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    message = f"Invalid URL or method ({request.method} {request.url.path})"
    body = ApiError(status, message, kind="invalid_request_error").body()
    return JSONResponse(body, status, headers)


def _broken(_request: Request, error: Exception) -> Response:
    """A fault of the simulator itself: said to the client, and logged by the server."""
    message = f"The simulator failed: {type(error).__name__}: {error}"
    return JSONResponse(ApiError(500, message, kind="server_error").body(), 500)

"""Calls of GigaChat by its own client keep the promises, in both contracts of its API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from gigachat import GigaChatAsyncClient
from gigachat.models import Chat, ChatCompletionRequest, Messages, MessagesRole
from gigachat.models.chat_completions import ChatContentPart, ChatMessage

from paceline.testing.adapter_suite import Provided, Scene
from paceline_adapters.gigachat import GigaChatExecutor

from .conftest import HttpSuite

ASK = "What is the question?"


@asynccontextmanager
async def client_for(scene: Scene, root: str) -> AsyncGenerator[GigaChatAsyncClient, None]:
    async def look(request: httpx.Request) -> None:
        scene.look()

    url = f"{root}/gigachat/v1"
    async with GigaChatAsyncClient(base_url=url, access_token="none", model="GigaChat") as client:  # noqa: S106
        cast("Any", client)._aclient.event_hooks["request"].append(look)  # it takes no client of the user's
        yield client


class TestFirstContract(HttpSuite):
    lacks = {"suspend": "a call asks nobody"}  # noqa: RUF012

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        async with client_for(scene, self.serve(scene)) as client:
            chat = Chat(messages=[Messages(role=MessagesRole.USER, content=ASK)])
            yield Provided(GigaChatExecutor(client), [{"role": "user", "content": ASK}], objects=chat)


class TestSecondContract(HttpSuite):
    lacks = {"suspend": "a call asks nobody"}  # noqa: RUF012

    @asynccontextmanager
    async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
        async with client_for(scene, self.serve(scene)) as client:
            request = ChatCompletionRequest(
                messages=[ChatMessage(role="user", content=[ChatContentPart(text=ASK)])]
            )
            yield Provided(GigaChatExecutor(client, contract="v2"), ASK, objects=request)

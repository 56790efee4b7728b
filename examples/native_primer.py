"""A raw OpenAI client, and a primer that writes the prefix to the provider's cache without generating a word.

`prewarm` and `breakpoints` are of OpenAI's Responses API, from gpt-5.6 on; a simulated server stands for it.
"""

import asyncio

from openai import AsyncOpenAI
from pydantic import BaseModel

from paceline import Engine, RetryPolicy
from paceline_adapters.openai import ResponsesExecutor
from paceline_integrations.simulator import Simulator

CONTRACT = "The tenant pays on the first of each month. " * 60
QUESTIONS = ["When is rent due?", "Who pays?", "What is missing?"]


class Finding(BaseModel):
    answer: str
    certain: bool


async def run(client: AsyncOpenAI) -> None:
    executor = ResponsesExecutor(
        client, model="gpt-5.6", text_format=Finding, prewarm=True, breakpoints=True, max_output_tokens=300
    )
    # The client's own retries are off in here: the engine tries again, and its wait holds no slot.
    async with Engine(executor, retry=RetryPolicy(attempts=3)) as engine:
        prefix = [{"role": "developer", "content": CONTRACT}]
        group = await engine.submit_group(
            "contract",
            primer={"prefix": prefix},
            followers=[{"prefix": prefix, "input": question} for question in QUESTIONS],
        )
        for result in await group.results():
            usage = result.usage
            assert usage is not None
            print(
                f"{result.role:8} {usage.input_tokens:>4} tokens in, {usage.cached_tokens:>3} cached, "
                f"{usage.output_tokens:>3} out: {type(result.output).__name__}"
            )
    await client.close()


with Simulator() as server:
    asyncio.run(run(AsyncOpenAI(base_url=server.base_url, api_key="none")))

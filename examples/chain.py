"""One's own LangChain chain, unchanged, over groups of prompts: followers find the primer's prefix cached.

The model is a real ChatOpenAI; here it talks to a simulated server. With `base_url` and `api_key` of your
provider the rest stays as it is.
"""

import asyncio

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from paceline import Engine, RetryPolicy
from paceline_adapters.langchain import as_runnable
from paceline_integrations.simulator import Simulator

DOCUMENTS = {
    "tides": "The tide comes in, the tide goes out. " * 40,
    "bread": "Flour, water, salt, time. " * 60,
}
ASKS = ["Name the risks.", "Write a title.", "Ask three questions."]


async def run(model: ChatOpenAI) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "{document}"), ("human", "{ask}")])
    chain = prompt | model | StrOutputParser()

    # The engine retries, so the client does not: ChatOpenAI(max_retries=0).
    async with Engine(chain, slots=8, retry=RetryPolicy(attempts=3)) as engine:
        groups = [
            await engine.submit_group(
                name,
                primer={"document": text, "ask": "Sum it up."},
                followers=[{"document": text, "ask": ask} for ask in ASKS],
                config={"tags": ["example"], "metadata": {"document": name}},
            )
            for name, text in DOCUMENTS.items()
        ]
        for group in groups:
            for result in await group.results():
                usage = result.usage
                assert usage is not None
                print(f"{result.name:18} {usage.cached_tokens:>4} of {usage.input_tokens} tokens cached")

        # The other way round: a step of a chain that runs as jobs of the engine.
        shout = as_runnable(engine) | str.upper
        print((await shout.ainvoke({"document": DOCUMENTS["bread"], "ask": "Write a slogan."}))[:30])
    await model.root_async_client.close()


with Simulator() as server:
    key = SecretStr("none")
    asyncio.run(run(ChatOpenAI(model="any", base_url=server.base_url, api_key=key, max_retries=0)))

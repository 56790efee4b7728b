"""Questions about documents: a graph of LangChain chains and plain functions, run for many questions at once.

The model is a real ChatOpenAI; here it talks to a simulated server, and so its sentences are made up. What is
found, and what is quoted, is not.
"""

import asyncio

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from paceline import Engine, Lane, RetryPolicy, RunReport, dag, task
from paceline_integrations.simulator import Simulator


class Passage(BaseModel):
    source: str
    text: str


class Answer(BaseModel):
    question: str
    text: str
    sources: list[str]


LIBRARY = [
    Passage(source="sea.txt", text="Twice a day the tide comes in, because the moon pulls the sea."),
    Passage(source="moon.txt", text="The moon shows the same face to the earth all month."),
    Passage(source="bread.txt", text="Bread dough of flour and water rises twice before it is baked."),
    Passage(source="road.txt", text="In a paceline the first rider breaks the wind for the others."),
]
QUESTIONS = {
    "why does the tide come in twice a day": "paying",
    "which face does the moon show": "free",
    "how often does bread dough rise": "free",
    "who breaks the wind in a paceline": "paying",
}


@task
def search(question: str, best: int) -> list[Passage]:
    """The passages that share most words with the question."""
    asked = set(question.split())
    return sorted(LIBRARY, key=lambda passage: -len(asked & set(passage.text.lower().split())))[:best]


@task
async def cite(question: str, text: str, passages: list[Passage]) -> Answer:
    return Answer(question=question, text=text, sources=[passage.source for passage in passages])


async def run(model: ChatOpenAI) -> None:
    # Any chain is a task: it is called with its payload, or with the names that make one.
    digest = ChatPromptTemplate.from_template("What does this say? {passage}") | model | StrOutputParser()
    reply = ChatPromptTemplate.from_template("{notes}\n\n{question}?") | model | StrOutputParser()
    take_note = task(digest, name="take_note")
    write = task(reply, name="write", retry=RetryPolicy(attempts=3))

    @dag
    async def ask(question: str, best: int = 2) -> Answer:
        passages = await search(question, best)
        notes = await take_note.map(passages)  # one call of the chain for each passage
        text = await write(question=question, notes=notes)
        return await cite(question, text, passages)

    lanes = [Lane("paying", weight=2.0), Lane("free", max_running=2)]
    async with Engine(slots=4, lanes=lanes) as engine:
        reports: list[RunReport] = await asyncio.gather(
            *(ask.with_options(lane=lane).run(engine, question=each) for each, lane in QUESTIONS.items())
        )

    for report in reports:
        answer: Answer = report.output
        lane = QUESTIONS[answer.question]
        print(f"{lane:6}  {answer.question}? {answer.text[:24]}… {answer.sources}")
        assert report.totals.requests == 3, "two notes and an answer"
        assert {node.lane for node in report.tasks.values()} == {lane}
    assert [report.output.sources[0] for report in reports] == [passage.source for passage in LIBRARY]
    print(reports[0])


async def main() -> None:
    with Simulator() as server:
        key = SecretStr("none")
        model = ChatOpenAI(model="any", base_url=server.base_url, api_key=key, max_retries=0)
        await run(model)
        await model.root_async_client.close()


asyncio.run(main())

"""Graphs and flows that the tests trace."""

from typing import Annotated

from paceline import From, dag, flow, task

__all__ = ["load", "rank", "reduced", "report", "story", "word", "words"]


@task
async def load(place: str) -> list[str]:
    return [place, place]


@task
async def rank(docs: Annotated[list[str], From(load)]) -> str:
    return docs[0]


@task
async def word(text: str) -> str:
    return text.upper()


@dag
async def report(place: str) -> str:
    return await rank(await load(place))


@dag
async def words(place: str) -> list[str]:
    return await word.map(await load(place))


@dag
async def reduced(place: str) -> str:
    return await rank(await word.map(await load(place)))


@flow
async def story(place: str) -> str:
    docs = await load(place)
    return await rank(docs)

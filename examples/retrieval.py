"""A retrieval pipeline, drawn from a function: two searches, one embedding, a merge, a reranking.

    expand_query ─┬─ bm25_search ───┐
                  └─ vector_search ─┼─ merge_scores ─ rerank
    embed_query ────────────────────┘

No level waits for another: the searches begin as soon as the query is expanded, though the embedding, which
stands beside its expansion, takes far longer.
"""

import asyncio
import math
import re
from collections import Counter

from rich import print as show

from paceline import dag, task
from paceline_integrations.terminal import plan_tree, report_timeline

CORPUS = {
    "tides": "The moon pulls the sea; twice a day the tide comes in and goes out again.",
    "moon": "The moon is a rock that circles the earth once in a month, and always shows the same face.",
    "bread": "Bread is flour, water, salt and time. The dough rises twice before it is baked.",
    "sourdough": "A sourdough starter is flour and water in which yeast lives; feed it twice a day.",
    "sailing": "A boat that wants to leave a shallow harbour waits for high water.",
    "cycling": "In a paceline the first rider breaks the wind and the others save their strength.",
}
SYNONYMS = {"tide": ["sea", "water"], "dough": ["bread", "flour"], "wait": ["waits"]}

Scores = dict[str, float]
Vector = dict[str, float]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def embedding(text: str) -> Vector:
    """Counts of three letters in a row, of length one: a poor man's model."""
    counts = Counter(word[at : at + 3] for word in words(text) for at in range(max(1, len(word) - 2)))
    length = math.sqrt(sum(count * count for count in counts.values()))
    return {gram: count / length for gram, count in counts.items()}


def closeness(left: Vector, right: Vector) -> float:
    return sum(value * right.get(gram, 0.0) for gram, value in left.items())


@task
async def expand_query(query: str) -> list[str]:
    await asyncio.sleep(0.05)  # a quick call
    return [each for word in words(query) for each in (word, *SYNONYMS.get(word, []))]


@task
async def embed_query(query: str) -> Vector:
    await asyncio.sleep(0.25)  # a slow one
    return embedding(query)


@task
def bm25_search(terms: list[str]) -> Scores:
    """How well documents match, by their words; a plain function, so it runs on a thread."""
    texts = {name: Counter(words(text)) for name, text in CORPUS.items()}
    mean = sum(text.total() for text in texts.values()) / len(texts)
    scores: Scores = {}
    for name, text in texts.items():
        for term in set(terms) & set(text):
            with_term = sum(term in other for other in texts.values())
            rarity = math.log(1 + (len(texts) - with_term + 0.5) / (with_term + 0.5))
            often = text[term] * 2.2 / (text[term] + 1.2 * (0.25 + 0.75 * text.total() / mean))
            scores[name] = scores.get(name, 0.0) + rarity * often
    return scores


@task
def vector_search(terms: list[str]) -> Scores:
    near = embedding(" ".join(terms))
    return {name: closeness(near, embedding(text)) for name, text in CORPUS.items()}


@task
def merge_scores(by_words: Scores, by_vectors: Scores, query: Vector) -> list[str]:
    """Places, not points, are added up: the two searches do not measure alike. The question breaks ties."""
    merged: Scores = dict.fromkeys(CORPUS, 0.0)
    for scores in (by_words, by_vectors):
        for place, name in enumerate(sorted(scores, key=lambda each: -scores[each])):
            merged[name] += 1 / (60 + place)
    return sorted(merged, key=lambda name: (-merged[name], -closeness(query, embedding(CORPUS[name]))))


@task
def rerank(query: str, names: list[str], best: int) -> list[str]:
    """A closer look at the first few: what share of the question's words does a document hold?"""
    asked = set(words(query))
    return sorted(names[: best + 1], key=lambda name: -len(asked & set(words(CORPUS[name]))))[:best]


@dag
async def retrieve(query: str, best: int = 2) -> list[str]:
    terms = await expand_query(query)
    merged = await merge_scores(
        await bm25_search(terms), await vector_search(terms), await embed_query(query)
    )
    return await rerank(query, merged, best)


async def main() -> None:
    show(plan_tree(retrieve))

    report = await retrieve.run(query="when does the tide come in")
    show(report_timeline(report))
    print(f"found: {report.output}")
    assert report.output[0] == "tides"

    search, embed = report.tasks["bm25_search"], report.tasks["embed_query"]
    assert search.started is not None
    assert embed.ended is not None
    assert search.started < embed.ended, "nothing holds the search back until the embedding is there"

    # One graph, several runs at once: their data do not mix.
    questions = ["how does a sourdough starter live", "who breaks the wind"]
    found = await asyncio.gather(*(retrieve(question) for question in questions))
    print(dict(zip(questions, (names[0] for names in found), strict=True)))
    assert [names[0] for names in found] == ["sourdough", "cycling"]


asyncio.run(main())

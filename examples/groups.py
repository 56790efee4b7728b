"""A group: the primer reads the document, and its followers start as soon as the first token is there.

The model here is a stand-in with a prefix cache: whoever asks about a document that it has just read pays
only for the question.
"""

import asyncio

from paceline import Engine, GroupPolicy, Job, JobContext, Usage

DOCUMENT = "a contract of four thousand words"
QUESTIONS = ["Summarise it.", "Which risks does it name?", "Who signs it?"]


class Model:
    """Answers slowly, word by word, and remembers what it has read."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    async def execute(self, job: Job, ctx: JobContext) -> str:
        document, question = job.payload
        cached = 4000 if document in self.read else 0
        await asyncio.sleep(0.01 if cached else 0.1)  # reading takes time, remembering does not
        self.read.add(document)
        ctx.first_token()  # from here on the provider can serve the document from its cache
        await asyncio.sleep(0.05)
        ctx.usage(Usage(input_tokens=4000 + len(question), cached_tokens=cached, output_tokens=20))
        return f"(answer to {question!r})"


async def main() -> None:
    async with Engine(Model(), slots=8) as engine:
        group = await engine.submit_group(
            "contract",
            primer=(DOCUMENT, "Read it, and say OK."),
            followers=[(DOCUMENT, question) for question in QUESTIONS],
            policy=GroupPolicy(release="first_token"),
        )
        for result in await group.results():
            usage = result.usage
            assert usage is not None
            print(f"{result.role:8} {result.output:45} cached {usage.cached_tokens} of {usage.input_tokens}")
            assert result.role == "primer" or usage.cached_tokens == 4000


asyncio.run(main())

"""Answers to what suspended jobs ask: each question is answered once, and in the form it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._errors import ReplyRefused, UnknownName
from ._job import Question
from ._scheduler import State

if TYPE_CHECKING:
    from ._record import Record
    from ._run import Run

__all__ = ["reply"]


def reply(run: Run, job_id: str, answer: Any, question: str | None) -> None:
    """Take an answer; when it was the last one, queue the job again. A refused one changes nothing."""
    record = run.records.get(job_id)
    if record is None:
        raise UnknownName("unfinished job", job_id, (), "it has ended, or its id is wrong")
    if not record.questions or record.state is not State.SUSPENDED:
        raise ReplyRefused(job_id, f"the job is {record.current_status()} and asks nothing{_others(record)}")
    asked = _find(job_id, record.questions, question)
    answer = _checked(job_id, asked, answer)
    assert record.answers is not None
    record.answers[asked.id] = answer
    record.questions = tuple(each for each in record.questions if each.id != asked.id)
    if run.history is not None:
        run.history.replied(record, asked)
    if record.body is not None and asked.id in record.body.asked:
        record.body.answer(asked.id, answer)
    elif not record.questions:
        answers, record.answers = record.answers, None
        given = next(iter(answers.values())) if len(answers) == 1 else answers
        record.job = replace(record.job, reply=given)
        run.scheduler.again(record)
        run.dispatch()


def _others(record: Record) -> str:
    """Where to turn with an answer, if a body is asked for one that waits for jobs of its own."""
    waits = () if record.body is None else record.body.suspended()
    named = ", ".join(f"{each.job.name!r} ({each.job.id})" for each in waits)
    return f"; answer what it waits for: {named}" if named else ""


def _find(job_id: str, questions: tuple[Question, ...], wanted: str | None) -> Question:
    if wanted is None and len(questions) == 1:
        return questions[0]
    ids = ", ".join(repr(each.id) for each in questions)
    if wanted is None:
        raise ReplyRefused(job_id, f"it asks several questions ({ids}); say which is answered: question=...")
    for each in questions:
        if each.id == wanted:
            return each
    raise ReplyRefused(job_id, f"question {wanted!r} is not open; open: {ids}")


def _checked(job_id: str, question: Question, answer: Any) -> Any:
    schema = question.schema
    # A JSON Schema is for the reader's form; the executor that wrote it checks the answer itself.
    if schema is None or isinstance(schema, Mapping):
        return answer
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(schema).validate_python(answer)
    except ValidationError as error:
        raise ReplyRefused(job_id, f"the answer does not fit question {question.id!r}: {error}") from error

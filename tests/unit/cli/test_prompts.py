"""What a plan reads out of payloads: shared prefixes, own tokens, answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paceline_integrations.cli.groups_file import GroupLine
from paceline_integrations.cli.prompts import Counting, planned_group
from paceline_integrations.planning import PlannedGroup
from paceline_integrations.simulator._chat import parse_chat
from paceline_integrations.simulator._tokens import Prompt, common_tokens

COUNTING = Counting(characters=4, output=100)
HEADER, LAST = 2, 3
"""Tokens of `<user>` and of `<assistant>`, which every prompt ends with."""


def planned(primer: Any, *followers: Any, counting: Counting = COUNTING) -> PlannedGroup:
    return planned_group(GroupLine(group="g", primer=primer, followers=list(followers)), counting)


def test_texts_share_what_they_begin_with() -> None:
    found = planned("x" * 400 + "one", "x" * 400 + "another")
    assert found.prefix == HEADER + 100
    assert [job.own for job in found.members] == [1 + LAST, 2 + LAST]


def test_variables_of_a_template_are_taken_in_their_order() -> None:
    document = "word " * 200
    found = planned(
        {"document": document, "question": "Read it."}, {"document": document, "question": "Who signs it?"}
    )
    assert found.prefix == HEADER + 250
    reversed_order = planned(
        {"question": "Read it.", "document": document}, {"question": "Who signs it?", "document": document}
    )
    assert reversed_order.prefix == HEADER


@pytest.mark.parametrize(
    "one",
    [
        [{"role": "user", "content": "a text"}],
        {"messages": [{"role": "user", "content": "a text"}]},
        {"role": "user", "content": "a text"},
        {"role": "user", "content": [{"type": "text", "text": "a text"}]},
        [["user", "a text"]],
        ["a text"],
        {"input": [{"role": "user", "content": "a text"}], "model": "gpt-5"},
        {"text": "a text"},
        "a text",
    ],
)
def test_a_message_is_counted_alike_in_whatever_form_it_comes(one: Any) -> None:
    assert planned(None, one).followers[0].own == HEADER + 2 + LAST


def test_tools_and_the_systems_text_are_read_ahead_of_messages() -> None:
    tools = [{"name": "search", "description": "d" * 400}]
    found = planned(
        None,
        *(
            {"messages": [{"role": "user", "content": text}], "tools": tools, "system": "s" * 400}
            for text in "ab"
        ),
    )
    assert found.prefix > 200


def test_what_is_no_text_in_a_message_is_not_counted() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:" + "A" * 100_000}}
    found = planned(None, {"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]})
    assert found.followers[0].own == HEADER + 3 + LAST


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_an_answer_is_no_longer_than_the_payload_lets_it_be(key: str) -> None:
    messages = [{"role": "user", "content": "Read it."}]
    found = planned({"messages": messages, key: 1}, {"messages": messages, key: 5000}, {"messages": messages})
    assert [job.output for job in found.members] == [1, 100, 100]


def test_characters_of_a_token_can_be_said() -> None:
    found = planned("x" * 300, "x" * 300, counting=Counting(characters=2.5, output=0))
    assert found.prefix == 3 + 120 + 5


def test_other_scripts_are_counted_by_their_bytes() -> None:
    found = planned("слово" * 40 + "a", "слово" * 40 + "bb")
    assert found.prefix == HEADER + 100
    assert planned(None, "\ud800").followers[0].own == HEADER + 1 + LAST


def test_a_job_by_itself_shares_nothing() -> None:
    assert planned("x" * 400).prefix == 0


@pytest.mark.parametrize(
    "payload", [None, 3, True, {}, [], "", {"messages": []}, {"messages": "?"}, [[1]], [None]]
)
def test_no_payload_is_too_odd_to_be_counted(payload: Any) -> None:
    found = planned("text", payload, payload)
    assert all(job.own >= 0 for job in found.members)


def test_messages_are_counted_as_the_simulator_counts_them() -> None:
    system = {"role": "system", "content": "You answer in short." * 30}
    bodies = [
        {"model": "m", "messages": [system, {"role": "user", "content": question}]}
        for question in ("Who signs it?", "Who pays for it?")
    ]
    prompts: list[Prompt] = [parse_chat(json.dumps(body).encode(), {}).prompt for body in bodies]
    found = planned(bodies[0], bodies[1])
    assert [found.prefix + job.own for job in found.members] == [prompt.tokens for prompt in prompts]
    assert found.prefix == common_tokens(prompts[0].text, prompts[1].text)

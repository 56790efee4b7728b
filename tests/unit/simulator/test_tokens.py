"""Tokens: four characters, and prompts that begin alike share them."""

from hypothesis import given, strategies as st

from paceline_integrations.simulator._tokens import (
    TOKEN_WIDTH,
    PromptWriter,
    common_tokens,
    count_tokens,
)

TEXTS = st.text(max_size=60)


def prompt_text(*texts: str) -> str:
    writer = PromptWriter()
    for text in texts:
        writer.header("user")
        writer.add(text)
    return writer.prompt("m").text


@given(TEXTS)
def test_a_text_counts_a_token_for_each_four_characters_or_part_of_them(text: str) -> None:
    tokens = count_tokens(text)
    assert (tokens - 1) * TOKEN_WIDTH < len(text) <= tokens * TOKEN_WIDTH


@given(TEXTS, TEXTS, TEXTS)
def test_prompts_share_the_tokens_of_their_common_first_messages(shared: str, one: str, other: str) -> None:
    begin = 2 + count_tokens(shared)
    assert common_tokens(prompt_text(shared, one), prompt_text(shared, other)) >= begin


@given(TEXTS, TEXTS, TEXTS)
def test_texts_that_begin_alike_share_every_whole_token_of_that(shared: str, one: str, other: str) -> None:
    found = common_tokens(prompt_text(shared + one), prompt_text(shared + other))
    assert found >= 2 + len(shared) // TOKEN_WIDTH


@given(st.text(alphabet="ab\0", max_size=40), st.text(alphabet="ab\0", max_size=40))
def test_common_tokens_are_those_before_the_first_difference(one: str, other: str) -> None:
    first, second = prompt_text(one), prompt_text(other)
    pairs = zip(
        (first[start : start + 4] for start in range(0, len(first), 4)),
        (second[start : start + 4] for start in range(0, len(second), 4)),
        strict=False,
    )
    expected = 0
    for left, right in pairs:
        if left != right:
            break
        expected += 1
    assert common_tokens(first, second) == expected


def test_a_digest_tells_seeds_models_and_prompts_apart() -> None:
    writer = PromptWriter()
    writer.add("hello")
    here, there = writer.prompt("here"), PromptWriter().prompt("here")
    assert len({here.digest(0), here.digest(1), there.digest(0)}) == 3

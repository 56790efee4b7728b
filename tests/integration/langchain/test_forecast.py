"""What is expected of a chain before it runs: which models it uses, and how many tokens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest
import tiktoken
import tiktoken.registry
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from paceline import Cost, Job
from paceline_adapters.langchain import RunnableExecutor

WORD = "a" * 400  # a hundred tokens


def client(model: str = "small", **settings: Any) -> Any:
    return ChatOpenAI(model=model, api_key=SecretStr("none"), base_url="http://127.0.0.1:9/v1", **settings)


def estimate(runnable: Runnable[Any, Any], payload: Any = WORD, config: Any = None) -> Cost | None:
    return RunnableExecutor(runnable).estimate(Job("id", "n", "chain", payload, config=config))


def resources(runnable: Runnable[Any, Any], **options: Any) -> tuple[str, ...]:
    return RunnableExecutor(runnable, **options).resources


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An estimate asks nobody; if it did it might hide that it failed, so who was asked is looked at here."""
    asked: list[object] = []

    def refuse(*args: Any, **kwargs: Any) -> None:
        asked.append(args)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert asked == []


PROMPT = ChatPromptTemplate.from_template("{x}")
ONE = Cost(104, 50, 1)
"""A message of a hundred tokens, at most fifty to answer."""


# Which models.


def test_the_models_of_a_chain_are_its_resources_in_order_and_each_once() -> None:
    small, large = client("small"), client("large")
    assert resources(small) == ("small",)
    assert resources(PROMPT | small | StrOutputParser()) == ("small",)
    assert resources(PROMPT | small.bind(stop=["x"]).with_retry() | StrOutputParser()) == ("small",)
    assert resources(RunnableParallel(b=PROMPT | large, a=small) | str | large) == ("large", "small")
    assert resources(small.bind(model="other")) == ("other",)
    assert resources(small.map()) == ("small",)
    assert resources(RunnableBranch((bool, small), large)) == ("small", "large")
    assert resources(small.with_structured_output(Answer, include_raw=True)) == ("small",)


def test_a_fallback_is_no_resource_of_the_jobs_that_seldom_use_it() -> None:
    assert resources(client("small").with_fallbacks([client("large")])) == ("small",)


def test_what_the_executor_configures_is_what_its_jobs_use() -> None:
    chain = PROMPT | client("small").configurable_fields(model_name=ConfigurableField("which"))
    assert resources(chain) == ("small",)
    assert resources(chain, config={"configurable": {"which": "large"}}) == ("large",)
    either = client("small").configurable_alternatives(ConfigurableField("which"), large=client("large"))
    assert resources(either) == ("small",)
    assert resources(either, config={"configurable": {"which": "large"}}) == ("large",)


def test_models_without_a_name_and_functions_are_no_resource() -> None:
    assert resources(RunnableLambda(len)) == ()
    assert resources(GenericFakeChatModel(messages=iter([]))) == ()


# How many tokens.


@pytest.mark.parametrize(
    "payload", [WORD, [HumanMessage(WORD)], [("human", WORD)], [{"role": "user", "content": WORD}]]
)
def test_what_a_model_is_given_is_counted_and_max_tokens_is_the_most_it_answers(payload: Any) -> None:
    assert estimate(client(max_completion_tokens=50), payload) == ONE
    assert estimate(client(), payload) == Cost(104, None, 1)


class Answer(BaseModel):
    """What to say, and how surely."""

    text: str
    surely: float


def test_the_prompt_is_counted_as_it_will_be() -> None:
    model = client(max_completion_tokens=50)
    template = ChatPromptTemplate.from_messages(
        [("system", WORD), MessagesPlaceholder("history", optional=True), ("human", "{x}")]
    )
    assert estimate(PROMPT | model, {"x": WORD}) == ONE
    assert estimate(PROMPT | model | StrOutputParser()) == ONE, "the one variable needs no name"
    assert estimate(PromptTemplate.from_template("{x}") | model, {"x": WORD}) == ONE
    assert estimate(template | model, {"x": WORD}) == Cost(208, 50, 1)
    assert estimate(template | model, {"x": WORD, "history": [SystemMessage(WORD)]}) == Cost(312, 50, 1)
    assert estimate(template.partial(x=WORD) | model, {}) == Cost(208, 50, 1)


def test_values_that_are_passed_on_are_known() -> None:
    model = client(max_completion_tokens=50)
    wrapped: Any = {"x": RunnablePassthrough()} | PROMPT | model
    assert estimate(wrapped) == ONE
    picked: Any = {"x": itemgetter("question")} | PROMPT | model
    assert estimate(picked, {"question": WORD}) == ONE
    assigned: Any = RunnablePassthrough.assign(x=itemgetter("question")) | PROMPT | model
    assert estimate(assigned, {"question": WORD}) == ONE
    assert estimate(RunnablePassthrough().pick("question") | PROMPT | model, {"question": WORD}) == ONE


def given(value: Any) -> Any:
    return value


@pytest.mark.parametrize("chain", [given | PROMPT, {"x": given} | PROMPT])
def test_what_a_function_makes_of_it_is_not_known(chain: Any) -> None:
    assert estimate(chain | client(max_completion_tokens=50)) == Cost(None, 50, 1)


class Looking(ChatPromptTemplate):
    """Somebody's own prompt."""

    selector: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__([("human", "{x}")], **kwargs)

    def format_prompt(self, **kwargs: Any) -> Any:
        self.selector.select_examples(kwargs)
        return super().format_prompt(**kwargs)


def test_a_prompt_that_looks_for_examples_is_not_filled_in() -> None:
    asked: list[Any] = []

    class Selector:
        def select_examples(self, given: Any) -> Any:
            asked.append(given)  # this may be a database
            return []

        def add_example(self, example: Any) -> None: ...

    shots = FewShotChatMessagePromptTemplate.model_construct(
        example_selector=Selector(),
        example_prompt=PROMPT,
        input_variables=["x"],
        examples=None,
    )
    template = ChatPromptTemplate.from_messages([shots, ("human", "{x}")])
    assert estimate(template | client(max_completion_tokens=50), {"x": WORD}) == Cost(None, 50, 1)
    assert estimate(Looking(selector=Selector()) | client(), {"x": WORD}) == Cost(None, None, 1)
    assert asked == []


def test_several_calls_add_up_and_what_is_unknown_of_one_is_unknown_of_all() -> None:
    model = client(max_completion_tokens=50)
    assert estimate(RunnableParallel(a=model, b=model)) == Cost(208, 100, 2)
    assert estimate(RunnableParallel(a=model, b=client())) == Cost(208, None, 2)
    assert estimate(model | StrOutputParser() | model) == Cost(None, 100, 2)
    assert estimate(model.map(), [WORD] * 3) == Cost(312, 150, 3)
    assert estimate(model.map(), [WORD] * 1000) == Cost(104_000, 50_000, 1000)
    assert estimate(model.map(), []) == Cost(0, 0, 0)
    assert estimate(RunnableLambda(list) | model.map()) == Cost(None, 50, 1)


def test_of_branches_the_dearest_counts_and_of_fallbacks_the_first() -> None:
    small, large = client(max_completion_tokens=50), client(max_completion_tokens=500)
    assert estimate(RunnableBranch((bool, small), (bool, large), small)) == Cost(104, 500, 1)
    assert estimate(RunnableBranch((bool, small), client())) == Cost(104, None, 1)
    assert estimate(small.with_fallbacks([large])) == ONE


def test_the_most_that_may_be_answered_is_what_the_call_says_then_the_model() -> None:
    assert estimate(client(max_completion_tokens=500).bind(max_tokens=50)) == ONE
    assert estimate(client(model_kwargs={"max_output_tokens": 50})) == ONE
    assert estimate(client(max_completion_tokens=50, n=3)) == Cost(104, 150, 1)
    assert estimate(client(max_completion_tokens=-1)) == Cost(104, None, 1)


def test_what_a_job_configures_counts() -> None:
    fields = client(max_completion_tokens=500).configurable_fields(max_tokens=ConfigurableField("most"))
    assert estimate(PROMPT | fields, config={"configurable": {"most": 50}}) == ONE
    bound = fields.with_config(configurable={"most": 50})
    assert estimate(bound) == ONE
    assert estimate(bound, config={"configurable": {"most": 70}}) == Cost(104, 70, 1)
    assert estimate((PROMPT | fields).with_config(configurable={"most": 50})) == ONE
    assert estimate(fields, config={"tags": ["x"]}) == Cost(104, 500, 1)


def test_tools_and_schemas_count_as_well() -> None:
    plain = estimate(client(max_completion_tokens=50))
    bound = estimate(client(max_completion_tokens=50).bind_tools([Answer]))
    assert plain is not None
    assert bound is not None
    assert 10 < (bound.input_tokens or 0) - (plain.input_tokens or 0) < 200


@pytest.mark.parametrize("chain", [RunnableLambda(len), PROMPT, PROMPT | RunnableLambda(str)])
def test_where_no_model_can_be_seen_nothing_is_said(chain: Any) -> None:
    assert estimate(chain) is None


@pytest.mark.parametrize("payload", [{"y": 1}, None, 7, object(), [object()], {"x": object()}, b"x"])
def test_a_payload_that_does_not_fit_is_no_reason_to_raise(payload: Any) -> None:
    two = ChatPromptTemplate.from_template("{x} {y}")
    for chain in (PROMPT | client(), two | client(), client(), client().map(), FakeListLLM(responses=[""])):
        assert estimate(chain, payload) is not None


# The model's own tokenizer.


def test_a_tokenizer_that_was_given_to_the_model_is_used() -> None:
    def letters(text: str) -> list[int]:
        return [ord(letter) for letter in text]

    counted = estimate(client(max_completion_tokens=50, custom_get_token_ids=letters))
    assert counted is not None
    assert 400 <= (counted.input_tokens or 0) <= 410
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
    seen = estimate(client(custom_get_token_ids=letters), [HumanMessage([picture])])
    assert seen is not None
    assert 500 < (seen.input_tokens or 0) < 1500


@pytest.fixture
def vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of tiktoken's, in memory: each byte is a token."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding(
        "o200k_base", pat_str=r"(?s).", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 256}
    )
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "o200k_base", encoding)


@pytest.mark.usefixtures("vocabulary")
def test_a_vocabulary_that_is_in_memory_is_used() -> None:
    counted = estimate(client("gpt-4o", max_completion_tokens=50))
    assert counted is not None
    assert 400 <= (counted.input_tokens or 0) <= 410


@pytest.mark.usefixtures("vocabulary")
@pytest.mark.parametrize("text", ["<|endoftext|>", WORD * 1000])
def test_what_a_tokenizer_refuses_or_takes_long_for_is_counted_roughly(text: str) -> None:
    assert estimate(client("gpt-4o"), text) == Cost(4 + (len(text) + 3) // 4, None, 1)


def test_a_vocabulary_is_never_loaded_for_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    assert estimate(client("gpt-4o", max_completion_tokens=50)) == ONE

"""What a job is expected to use: what is asked, in which order, and the rough count of a payload."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from paceline import Cost, Job
from paceline._bodies import Inputs
from paceline._estimates import Estimator, rough_tokens


def job(payload: Any = "four score and 7", name: str = "n", executor: str = "chain") -> Job:
    return Job("id", name, executor, payload)


KNOWN = Cost(input_tokens=100, output_tokens=10, requests=2, money=0.5)


def test_the_executor_is_asked_first_then_the_engine_then_the_texts_are_counted() -> None:
    engine = Cost(input_tokens=7)
    assert Estimator(lambda _: engine).cost(job(), lambda _: KNOWN) == KNOWN
    assert Estimator(lambda _: engine).cost(job(), lambda _: None) == engine
    assert Estimator(lambda _: engine).cost(job()) == engine
    assert Estimator(lambda _: None).cost(job(), lambda _: None) is None
    assert Estimator().cost(job()) is None


def test_parts_that_an_answer_leaves_open_stay_unknown() -> None:
    assert Estimator(lambda _: KNOWN).cost(job(), lambda _: Cost(output_tokens=5)) == Cost(output_tokens=5)


class Later(Inputs):
    """A payload that another job is to make."""

    def resolve(self) -> object:
        raise AssertionError("not before its job starts")


def test_a_payload_that_others_are_to_make_is_unknown_and_nobody_is_asked() -> None:
    def never(job: Job) -> Cost:
        raise AssertionError(job)

    assert Estimator(never).cost(job(Later()), never) is None


async def coroutine_function(job: Job) -> Cost:
    return KNOWN


def broken(job: Job) -> Cost:
    raise KeyError("model")


def gone(job: Job) -> Cost:
    raise SystemExit


def of(answer: Any) -> Callable[[Job], Cost]:
    return lambda _: cast("Cost", answer)


@pytest.mark.parametrize(
    "own",
    [
        broken,
        gone,
        coroutine_function,
        7,
        of(7),
        of({"input_tokens": 5}),
        of(Cost(input_tokens=-1)),
        of(Cost(output_tokens=cast("int", float("nan")))),
        of(Cost(money=float("inf"))),
        of(Cost(requests=-1)),
        of(Cost(requests=cast("int", None))),
        of(Cost(input_tokens=cast("int", "many"))),
        of(Cost(input_tokens=True)),
    ],
)
def test_an_estimate_that_fails_or_makes_no_sense_counts_as_unknown_and_is_logged_once(
    own: Any, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = Estimator()
    with caplog.at_level(logging.WARNING, "paceline"):
        for number in range(3):
            assert estimator.cost(job(name=f"job {number}"), own) == Cost()
    (record,) = caplog.records
    assert "the executor for job 'job 0' (executor 'chain') failed" in record.getMessage()
    assert record.exc_info is not None


def test_each_executor_and_the_engine_have_an_error_logged_of_their_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    estimator = Estimator(broken)
    with caplog.at_level(logging.WARNING, "paceline"):
        for _ in range(2):
            estimator.cost(job(executor="one"), broken)
            estimator.cost(job(executor="two"), broken)
            estimator.cost(job(executor="one"))
    assert [record.args[2] for record in caplog.records if isinstance(record.args, tuple)] == [
        "one",
        "two",
        "one",
    ]
    assert "the engine" in caplog.text


def test_an_estimate_must_be_a_function() -> None:
    with pytest.raises(TypeError, match="estimate must be a function of a job"):
        Estimator(cast("Any", 5))


# The rough count.


class Message:
    """As LangChain's are: content, and things that never reach the model."""

    def __init__(self, content: object, tool_calls: Sequence[object] = ()) -> None:
        self.content = content
        self.tool_calls = tool_calls
        self.response_metadata = {"headers": "x" * 1000}


@dataclass
class Question:
    text: str
    hints: list[str] = field(default_factory=list[str])


class Document(BaseModel):
    page_content: str
    metadata: dict[str, str] = {}


class Pair(NamedTuple):
    left: str
    right: str


WORD = "a" * 400  # a hundred tokens


@pytest.mark.parametrize(
    ("payload", "tokens"),
    [
        ("", 0),
        (None, 0),
        ("abcd", 1),
        ("abcde", 2),
        (WORD, 100),
        ([WORD, WORD], 200),
        ((WORD, [WORD, {WORD}]), 300),
        (Pair(WORD, WORD), 200),
        ({"text": WORD}, 101),
        ({"a": {"b": {"c": [WORD]}}}, 101),
        ([1, 2.5, True], 3),
        (Question(WORD, [WORD]), 200),
        (Document(page_content=WORD, metadata={"type": ""}), 100),
        (Message(WORD), 104),
        ([Message(WORD), Message([{"type": "text", "text": WORD}])], 209),
        (Message("", [{"type": "tool_call", "name": "look", "args": {"word": WORD}}]), 109),
        ([{"role": "system", "content": WORD}, {"role": "user", "content": WORD}], 211),
        (object(), 0),
        (Document, 0),
        (len, 0),
        (iter([WORD]), 0),
    ],
)
def test_texts_are_found_wherever_they_are(payload: object, tokens: int) -> None:
    assert rough_tokens(payload) == tokens


def test_a_template_variable_called_role_makes_no_message_of_a_payload() -> None:
    assert rough_tokens({"role": "critic", "document": WORD}) >= 100


def test_an_iterator_is_left_as_it_is() -> None:
    payload = iter(["a", "b"])
    rough_tokens({"parts": payload})
    assert list(payload) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "real"), [("You miss 100% of the shots you don't take", 11), ("Cómo estás", 5)]
)
def test_the_count_is_right_within_a_factor_of_two(text: str, real: int) -> None:
    """The examples of OpenAI's help page."""
    assert real / 2 <= rough_tokens(text) <= real * 2


def test_other_scripts_have_more_tokens_for_their_letters() -> None:
    assert rough_tokens("a" * 1200) == 300
    assert rough_tokens("ж" * 1200) == 600
    assert rough_tokens("空" * 1200) == 900


def test_pictures_and_files_count_a_flat_figure_and_not_their_bytes() -> None:
    data = "A" * 4_000_000
    pictures: list[object] = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "image", "source": {"type": "base64", "data": data}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        f"data:image/png;base64,{data}",
        data.encode(),
    ]
    for picture in pictures:
        assert 500 < rough_tokens([{"role": "user", "content": [picture]}]) < 1500


def nested(levels: int) -> object:
    value: object = WORD
    for _ in range(levels):
        value = [value]
    return value


def laughs(levels: int) -> object:
    """The "billion laughs": a few lists that are ten to the nth texts."""
    value: object = WORD
    for _ in range(levels):
        value = [value] * 10
    return value


class Endless(Sequence[str]):
    """Says that it holds few, and goes on for ever."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        return "word"


class Broken(Mapping[str, str]):
    def __getitem__(self, key: str) -> str:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 5


class Mirror:
    """Has every attribute, and each is another one."""

    def __getattr__(self, name: str) -> Any:
        return Mirror()


def cycle() -> object:
    value: list[object] = [WORD]
    value.append(value)
    value.append({"self": value, "text": WORD})
    return value


@pytest.mark.parametrize(
    "payload",
    [
        nested(100_000),
        laughs(20),
        range(10**15),
        ["word"] * 10**6,
        {str(number): "word" for number in range(10**5)},
        "я" * 10**7,
        Endless(),
        Broken(),
        Mirror(),
        [Mirror()] * 100,
        cycle(),
    ],
    ids=[
        "deep",
        "laughs",
        "range",
        "long",
        "wide",
        "text",
        "endless",
        "broken",
        "mirror",
        "mirrors",
        "cycle",
    ],
)
def test_no_payload_takes_long_or_raises(payload: object) -> None:
    began = time.perf_counter()
    assert rough_tokens(payload) >= 0
    assert time.perf_counter() - began < 1.0


def test_each_text_of_a_cycle_counts_once() -> None:
    assert 200 <= rough_tokens(cycle()) < 210


def test_what_is_not_looked_at_is_taken_to_be_like_the_rest() -> None:
    assert rough_tokens([WORD] * 10**6) == pytest.approx(10**8, rel=0.01)
    assert rough_tokens({"documents": [[WORD] * 1000] * 100}) == pytest.approx(10**7, rel=0.05)
    assert rough_tokens("я" * 10**7) == pytest.approx(5 * 10**6)


def test_a_part_that_cannot_be_read_does_not_hide_the_others() -> None:
    assert rough_tokens([WORD, Broken(), WORD]) == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda children: (
        st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=5), children, max_size=5)
    ),
)


def characters(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value)
        return sum(characters(key) + characters(each) for key, each in pairs.items())
    return sum(map(characters, cast("list[object]", value))) if isinstance(value, list) else 0


def numbers(value: object) -> int:
    if isinstance(value, dict):
        return numbers(list(cast("dict[object, object]", value).values()))
    if isinstance(value, list):
        return sum(map(numbers, cast("list[object]", value)))
    return int(isinstance(value, int | float))


@given(JSON)
def test_four_bytes_of_text_are_a_token_however_they_are_nested(payload: object) -> None:
    messages_aside = rough_tokens(payload) - numbers(payload)
    assert messages_aside <= characters(payload) / 4 + 1 + 4 * str(payload).count("content")
    if "type" not in str(payload) and "data:" not in str(payload):
        assert messages_aside >= characters(payload) // 4

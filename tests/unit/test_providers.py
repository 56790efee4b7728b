"""What is known of providers: data that users override."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paceline import Provider, UnknownName, load_providers, provider


def test_the_providers_of_the_notes_are_known() -> None:
    known = load_providers()
    assert {
        "anthropic",
        "anthropic-1h",
        "openai",
        "openai-5.6",
        "gemini",
        "vllm",
        "llama.cpp",
        "simulator",
    } <= (known.keys())
    assert all(name == each.name for name, each in known.items())
    assert all(each.source for each in known.values())


def test_facts_are_those_of_the_notes() -> None:
    anthropic, hour = provider("anthropic"), provider("anthropic-1h")
    assert (anthropic.min_prefix, anthropic.write, anthropic.read, anthropic.ttl) == (512, 1.25, 0.1, 300)
    assert (hour.write, hour.ttl) == (2.0, 3600)
    assert anthropic.settle == 2.0
    assert anthropic.reads_exempt
    assert provider("openai").step == 128
    assert "step" in provider("openai").leads
    assert (provider("openai-5.6").write, provider("openai-5.6").ttl) == (1.25, 1800)
    assert {provider(name).cache for name in ("anthropic", "openai", "gemini", "vllm")} == {"shared"}
    assert provider("llama.cpp").cache == "slot"


def test_an_unknown_provider_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UnknownName, match=r"no provider named 'antropic'; known: 'anthropic', .*'vllm'"):
        provider("antropic")


def test_a_prefix_is_cached_in_whole_blocks_from_the_smallest_on() -> None:
    facts = Provider("p", min_prefix=1024, step=128)
    assert [facts.cached(tokens) for tokens in (0, 1023, 1024, 1151, 1152)] == [0, 0, 1024, 1024, 1152]
    assert Provider("p", cache="none").cached(5000) == 0


def test_a_file_of_ones_own_overrides_single_facts_and_adds_providers(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[openai]\nstep = 64\n\n["my.gateway"]\ncache = "none"\n')
    known = load_providers(path)
    assert (known["openai"].step, known["openai"].min_prefix) == (64, 1024)
    assert known["openai"].leads == ("ttl",)  # the step was looked up by the user
    assert known["my.gateway"].cache == "none"
    assert known["anthropic"] == load_providers()["anthropic"]
    assert provider("my.gateway", path) == known["my.gateway"]


def test_a_file_of_ones_own_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"mine": {"min_prefix": 100, "ttl": 60, "leads": ["ttl"]}}))
    assert load_providers(path)["mine"] == Provider("mine", min_prefix=100, ttl=60, leads=("ttl",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mine]\nminimum = 1", "'mine': unknown key 'minimum'; known: min_prefix, step, write, read, ttl, "),
        ("[mine.other]\nstep = 1", 'in TOML a name with a dot needs quotes: ["mine.other"]'),
        (
            "[mine]\nmin_prefix = -1",
            "provider 'mine': min_prefix must be a finite number of at least 0, not -1",
        ),
        ("[mine]\nmin_prefix = 0.5", "min_prefix must be a whole number of at least 1, not 0.5"),
        ("[mine]\nstep = 0", "provider 'mine': step must be a whole number of at least 1, not 0"),
        (
            "[mine]\nread = 'cheap'",
            "provider 'mine': read must be a finite number of at least 0, not 'cheap'",
        ),
        ("[mine]\nttl = 0", "provider 'mine': ttl must be a finite number above 0, not 0"),
        ("[mine]\ncache = 'big'", "provider 'mine': cache must be 'shared', 'slot' or 'none', not 'big'"),
        (
            "[mine]\nreads_exempt = 1",
            "provider 'mine': reads_exempt must be a bool, not 1; write true or false",
        ),
        ("[mine]\nleads = 'ttl'", "provider 'mine': leads must be a list of names of facts, not 'ttl'"),
        ("[mine]\nleads = ['age']", "provider 'mine': leads names 'age'; known: min_prefix, "),
        ("[mine]\nnotes = 3", "provider 'mine': notes must be a str, not 3"),
    ],
)
def test_a_wrong_file_is_told_with_file_provider_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        load_providers(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


def test_a_provider_has_a_name() -> None:
    with pytest.raises(ValueError, match="name must not be empty"):
        Provider("")

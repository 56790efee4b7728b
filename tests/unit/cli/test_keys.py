"""Keys, from bytes to a line."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.cli.keys import LineEditor


def typed(*chunks: bytes) -> tuple[str, list[str]]:
    editor = LineEditor()
    keys = [key for chunk in chunks for key in editor.feed(chunk)]
    return editor.text, [key for key in keys if key != "changed"]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (b"yes", "yes"),
        (b"yex\x7fs", "yes"),
        (b"no\x15yes", "yes"),
        (b"one two \x17three", "one three"),
        (b"\x7f\x7f", ""),
        ("grün".encode(), "grün"),
        (b"a\x1b[Ab\x1bOBc\x1b[1;5Cd\x1bxe", "abcde"),  # arrows, and Alt-x
        (b"a\x1b", "a"),
        (b"a\tb\x01\x00c", "abc"),
        (b"a\xffb", "a\ufffdb"),
        (b"a\x04b", "ab"),
    ],
)
def test_a_line_is_written_and_corrected_at_its_end(keys: bytes, text: str) -> None:
    assert typed(keys) == (text, [])


def test_a_character_or_key_may_come_in_parts() -> None:
    assert typed(b"gr\xc3", b"\xbcn\x1b[", b"1;5", b"C!") == ("grün!", [])


@pytest.mark.parametrize(
    ("keys", "told"), [(b"y\r", "enter"), (b"y\n", "enter"), (b"\x04", "end"), (b"\x18", "end_all")]
)
def test_what_ends_a_line_is_told(keys: bytes, told: str) -> None:
    assert typed(keys)[1] == [told]


def test_a_line_break_in_what_is_pasted_sends_nothing() -> None:
    assert typed(b"\x1b[200~{\r\n 1}\r", b"\n\x1b[201~!") == ("{\n 1}!", [])


def test_what_was_typed_ahead_is_not_for_the_next_line() -> None:
    editor = LineEditor()
    for key in editor.feed(b"y\ry\r"):
        if key == "enter":
            break
    editor.clear()
    assert list(editor.feed(b"n")) == ["changed"]
    assert editor.text == "n"


@given(st.lists(st.binary()))
def test_no_bytes_break_it(chunks: list[bytes]) -> None:
    text, _ = typed(*chunks)
    assert "\x1b" not in text or b"\x1b[200~" in b"".join(chunks)

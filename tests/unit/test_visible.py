"""Nothing that a job says steers the terminal."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.visible import plain_text, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("over\rwritten\x08", r"over\rwritten\x08"),
        ("two\nlines", r"two\nlines"),
        ("\u202eevil", r"\u202eevil"),
        ("half \ud800", r"half \ud800"),
        ("Grüße, 世界, 👩\u200d💻", "Grüße, 世界, 👩\u200d💻"),
    ],
)
def test_what_steers_a_terminal_is_shown_instead(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_line_breaks_stay_where_there_may_be_lines() -> None:
    assert visible("a\r\n\tb\x1b\rc", lines=True) == "a\n    b\\x1b\\rc"


EVERY_SIGN = st.characters(max_codepoint=sys.maxunicode, categories=None)


@given(st.text(EVERY_SIGN), st.booleans())
def test_no_control_character_is_left(text: str, lines: bool) -> None:
    shown = visible(text, lines=lines)
    assert not [sign for sign in shown if (ord(sign) < 32 and sign != "\n") or 127 <= ord(sign) < 160]
    assert lines or "\n" not in shown
    shown.encode()


@pytest.mark.parametrize(
    ("value", "width", "shown"),
    [
        ("two\r\nlines\n\tand a tab", None, "two lines  and a tab"),
        ("\x1b[31mred\u202e", None, r"\x1b[31mred\u202e"),
        ("half \ud800", None, r"half \ud800"),
        ("ten signs.", 10, "ten signs."),
        ("eleven sign", 10, "eleven si…"),
        ("\x1b" * 9, 10, r"\x1b\x1b\…"),
        ("anything", 0, ""),
        ("  [red] stays  ", None, "  [red] stays  "),
        ({"a": "\x1b"}, None, r"{'a': '\x1b'}"),
        (None, None, "None"),
    ],
)
def test_any_value_is_one_plain_line(value: object, width: int | None, shown: str) -> None:
    assert plain_text(value, width) == shown


def test_a_value_that_cannot_be_shown_is_told_by_its_type() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert plain_text(Odd()) == "<Odd: cannot be shown, RuntimeError>"


def test_a_text_of_many_megabytes_is_cut_before_it_is_looked_at() -> None:
    assert plain_text("\x1b" * 20_000_000, 4) == "\\x1…"
    assert len(plain_text("é" * 20_000_000)) == 10_000


@given(st.text(EVERY_SIGN), st.none() | st.integers(0, 20))
def test_a_plain_line_steers_nothing_and_keeps_its_width(text: str, width: int | None) -> None:
    shown = plain_text(text, width)
    assert shown == visible(shown)
    assert width is None or len(shown) <= width
    shown.encode()

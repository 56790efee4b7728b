"""Nothing that a job says steers the terminal."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.cli.visible import visible


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

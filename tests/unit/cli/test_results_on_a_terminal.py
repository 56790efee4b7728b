"""Results that are printed where a person looks: still the same JSON, and nothing that steers a terminal."""

import io
import json

from rich.console import Console

from paceline_integrations.cli.running import _print_above


def test_what_would_steer_a_terminal_is_escaped_as_json_does() -> None:
    shown = io.StringIO()
    output = "\x9b31m red \u202e back \u200b gone \ufeff, 東京 é"
    line = json.dumps({"output": output}, ensure_ascii=False) + "\n"
    _print_above(Console(file=shown, force_terminal=True, width=40))(line)
    assert not {"\x9b", "\u202e", "\u200b", "\ufeff"} & set(shown.getvalue())
    assert "東京 é" in shown.getvalue()
    assert json.loads(shown.getvalue()) == {"output": output}

"""Mermaid and DOT: what is drawn, and that no name breaks it.

Each name in NASTY was seen to be shown as it is by Mermaid 12.3 and Graphviz 2.43: what is tested is that
they are written as they were then.
"""

from __future__ import annotations

import html
import re
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from paceline import Edge
from paceline._graphs._drawing import dot, mermaid

NASTY = (
    'say "hi"',
    "x[3",
    "br]acket",
    "pipe|d",
    "#35;",
    "<b>bold</b>",
    "a & b &amp; c",
    "line\nbreak",
    "1. first",
    "- item",
    "__init__",
    "*star*",
    "`code`",
    "日本語",
    "back\\slash\\",
    "http://x.y/z",
    "fa:fa-car",
    "{curly}",
    "a;b",
    "%% comment",
    "\\N",
)
LINE = re.compile(
    r"""flowchart\ LR|
    \ +(
        (subgraph\ )?n_\w*\["[^"\n]+"\]|
        n_\w*\ (-->(\|"[^"\n]+"\|)?|-\.->)\ n_\w*|
        direction\ LR|end|
        classDef\ [a-z]+\ fill:\#\w+,stroke:\#\w+,color:\#000|
        class\ n_\w*(,n_\w*)*\ [a-z]+
    )""",
    re.VERBOSE,
)
DOT_TEXT = r'"(?:[^"\\\n]|\\["\\n])*"'


def shown_by_mermaid(label: str) -> str:
    """Undo what Mermaid undoes."""
    numbers = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label.replace("<br/>", "\n"))
    return numbers.replace("\xa0", "")


def shown_by_graphviz(label: str) -> str:
    text = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], label)
    return html.unescape(text)


def test_a_graph_is_drawn_with_what_its_edges_carry() -> None:
    edges = [
        Edge("load", "clean", "users"),
        Edge("load", "rank"),
        Edge("clean", "rank", "[0]"),
        Edge("rank", "end", data=False),
    ]
    assert mermaid("daily", ["load", "clean", "rank", "end"], edges).splitlines() == [
        "---",
        'title: "daily"',
        "---",
        "flowchart LR",
        '    n_load["load"]',
        '    n_clean["clean"]',
        '    n_rank["rank"]',
        '    n_end["end"]',
        '    n_load -->|"users"| n_clean',
        "    n_load --> n_rank",
        '    n_clean -->|"[0]"| n_rank',
        "    n_rank -.-> n_end",
    ]
    drawn = dot("daily", ["load", "clean", "rank", "end"], edges).splitlines()
    assert '    label="daily" labelloc=t' in drawn
    assert drawn[-5:] == [
        '    n_load -> n_clean [label="users"]',
        "    n_load -> n_rank",
        '    n_clean -> n_rank [label="[0]"]',
        "    n_rank -> n_end [style=dotted]",
        "}",
    ]


def test_after_a_run_each_node_has_the_colour_and_the_mark_of_its_status() -> None:
    drawn = mermaid(None, ["a", "b", "c"], [], status={"a": "failed", "b": "succeeded", "c": "failed"})
    assert drawn.splitlines() == [
        "flowchart LR",
        '    n_a["✘ a"]',
        '    n_b["✔ b"]',
        '    n_c["✘ c"]',
        "    classDef failed fill:#fbdcdc,stroke:#c62828,color:#000",
        "    class n_a,n_c failed",
        "    classDef succeeded fill:#dcf2e0,stroke:#2e7d32,color:#000",
        "    class n_b succeeded",
    ]
    assert 'n_a [label="✘ a" fillcolor="#fbdcdc" color="#c62828"]' in dot(
        None, ["a"], [], status={"a": "failed"}
    )


def test_nested_graphs_and_maps_are_frames_around_what_is_in_them() -> None:
    names = ["load", "inner", "inner/pages", "inner/pages[0]", "inner/rank", "a/b"]
    edges = [Edge("load", "inner"), Edge("inner/pages", "inner/rank"), Edge("inner", "inner/rank")]
    bodies = {"inner/pages": "inner", "inner/pages[0]": "inner/pages", "inner/rank": "inner", "a/b": None}
    assert mermaid(None, names, edges, bodies).splitlines()[1:] == [
        '    n_load["load"]',
        '    subgraph n_inner["inner"]',
        "        direction LR",
        '        subgraph n_inner_pages["pages"]',
        "            direction LR",
        '            n_inner_pages_0["pages[0]"]',
        "        end",
        '        n_inner_rank["rank"]',
        "    end",
        '    n_a_b["a/b"]',
        "    n_load --> n_inner",
        "    n_inner_pages --> n_inner_rank",
    ]
    drawn = dot(None, names, edges, bodies)
    assert 'subgraph "cluster_n_inner" {' in drawn
    assert 'n_load -> n_inner_pages_0 [lhead="cluster_n_inner"]' in drawn
    assert 'n_inner_pages_0 -> n_inner_rank [ltail="cluster_n_inner_pages"]' in drawn


def test_what_lies_in_what_is_told_and_not_read_from_names() -> None:
    names = ["load", "load/users", "pages", "pages[0]", "a/b", "a/b[0]", "graph/x"]
    edges = [Edge("load", "load/users"), Edge("pages", "pages[0]")]
    drawn = mermaid(None, names, edges, {"a/b[0]": "a/b", "graph/x": "a/b", "load": "gone"})
    assert drawn.splitlines()[1:] == [
        '    n_load["load"]',
        '    n_load_users["load/users"]',
        '    n_pages["pages"]',
        '    n_pages_0["pages[0]"]',
        '    subgraph n_a_b["a/b"]',
        "        direction LR",
        '        n_a_b_0["a/b[0]"]',
        '        n_graph_x["graph/x"]',
        "    end",
        "    n_load --> n_load_users",
        "    n_pages --> n_pages_0",
    ]


def test_of_a_large_map_those_that_failed_are_drawn_and_the_others_counted() -> None:
    names = ["pages", *(f"pages[{number}]" for number in range(1000)), "pages[900]/deep"]
    drawn = mermaid(
        None,
        names,
        [Edge("pages[900]/deep", "pages[1]")],
        {**dict.fromkeys(names[1:-1], "pages"), "pages[900]/deep": "pages[900]"},
        status={**dict.fromkeys(names, "succeeded"), "pages[777]": "failed"},
    )
    assert '"✘ pages[777]"' in drawn
    assert '"… 989 more"' in drawn
    assert "n_989_more --> n_pages_1" in drawn
    assert drawn.count('"✔ pages[') == 10


@pytest.mark.parametrize("name", NASTY)
def test_any_name_and_key_is_shown_as_it_is(name: str) -> None:
    drawn = mermaid(name, [name, "b"], [Edge(name, "b", name)])
    body = drawn.split("---\n")[2].splitlines()
    assert [line for line in body if not LINE.fullmatch(line)] == []
    node, edge = body[1], body[3]
    assert shown_by_mermaid(node[node.index('["') + 2 : -2]) == name
    assert shown_by_mermaid(edge.split('"')[1]) == name
    labels = re.findall(f"label=({DOT_TEXT})", dot(name, [name, "b"], [Edge(name, "b", name)]))
    assert [shown_by_graphviz(label[1:-1]) for label in labels] == [name, name, "b", name]


@given(st.lists(st.text(max_size=12), max_size=6), st.text(max_size=12))
def test_whatever_the_names_each_line_is_one_of_the_language(names: list[str], key: str) -> None:
    edges = [Edge(source, target, key) for source, target in pairwise(names)]
    body = mermaid(None, names, edges, status=dict.fromkeys(names, "failed")).splitlines()
    assert [line for line in body if not LINE.fullmatch(line)] == []
    ids = re.findall(r'^ +(?:subgraph )?(n_\w*)\["', "\n".join(body), re.MULTILINE)
    assert len(ids) == len(set(ids)) == len(set(names))
    drawn = dot(key, names, edges)
    assert drawn.count("{") - drawn.count("}") == sum(
        text.count("{") - text.count("}") for text in re.findall(DOT_TEXT, drawn)
    )
    assert re.sub(DOT_TEXT, "", drawn).count('"') == 0


def test_a_node_is_called_the_same_before_and_after_a_run() -> None:
    before = mermaid(None, ["load users", "load_users", "pages"], [])
    after = mermaid(None, ["load users", "load_users", "pages", "pages[0]"], [], {"pages[0]": "pages"})
    for drawn in (before, after):
        assert 'n_load_users["load users"]' in drawn
        assert 'n_load_users_2["load_users"]' in drawn


def test_controls_and_halves_of_characters_are_replaced_and_long_names_cut() -> None:
    drawn = mermaid("a\x1b", ["\x00\ud800", "x" * 500], [])
    assert '"��"' in drawn.replace("#65533;", "�")
    drawn.encode()
    assert max(map(len, drawn.splitlines())) < 150


def test_a_very_deep_nesting_is_drawn() -> None:
    names = ["/".join("a" * depth) for depth in range(1, 1500)]
    bodies = dict(pairwise(reversed(names)))
    assert mermaid(None, names, [], bodies).count("subgraph") == 1498
    assert dot(None, names, [], bodies).count("subgraph") == 1498

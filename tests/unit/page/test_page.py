"""The page of a run: one file that loads nothing, and in which no text of a job can do anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import runpy
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from paceline import Usage
from paceline.events import (
    AskedQuestion,
    ErrorText,
    Event,
    GroupStarted,
    JobEnded,
    JobStarted,
    JobSubmitted,
    JobSuspended,
    RunEnded,
    RunStarted,
    dump_event,
)
from paceline_integrations.page import Sketch, render_page
from paceline_integrations.page._markup import tag
from paceline_integrations.summary import summarise

EXAMPLE = Path(__file__).parents[3] / "examples" / "recorded_run.py"
LOADS = {"src", "href", "srcset", "data", "action", "formaction", "poster", "background", "ping", "style"}
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "div", "p"),
    *("h1", "h2", "ul", "li", "span", "b", "em", "small", "details", "summary", "input", "label"),
    *("svg", "g", "rect", "line", "text", "polygon"),
}


class Parsed(HTMLParser):
    """What a browser makes of the page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.style: str = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def policy(self) -> str:
        return next(
            str(found["content"])
            for _, found in self.elements
            if found.get("http-equiv") == "Content-Security-Policy"
        )


def page_of(path: Path) -> str:
    sketch = Sketch()
    return render_page(summarise(path, keep=10_000, seen=sketch.look), sketch)


def log(path: Path, events: Iterable[Event]) -> Path:
    path.write_bytes(b"".join(dump_event(event) for event in events))
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "run.jsonl"
    runpy.run_path(str(EXAMPLE))["make"](path)
    return path


@pytest.fixture(scope="module")
def parsed(recorded: Path) -> Parsed:
    return Parsed(page_of(recorded))


def test_the_page_is_whole_and_has_no_element_that_could_do_something(parsed: Parsed) -> None:
    assert parsed.open == []
    assert {name for name, _ in parsed.elements} <= ELEMENTS


def test_nothing_is_loaded_or_run(parsed: Parsed) -> None:
    for name, attributes in parsed.elements:
        assert not attributes.keys() & LOADS, (name, attributes)
        assert not [key for key in attributes if key.startswith("on")]
    assert not re.search(r"url\(|@import|https?:|//", parsed.style)


def test_the_policy_forbids_everything_but_its_own_style(parsed: Parsed) -> None:
    digest = base64.b64encode(hashlib.sha256(parsed.style.encode()).digest()).decode()
    assert parsed.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_sums_timeline_tree_lanes_and_troubles_are_there(parsed: Parsed) -> None:
    for told in (
        "contracts-monday",
        "35 done",
        "Open questions",
        "Send the reminder now?",
        "What went wrong",
        "fax-1998.pdf, page 18: no text was found in the scan",
        "Timeline",
        "slot 5",
        "waits at a limit (reader-large: input tokens per minute)",
        "Slowest jobs",
        "partners",
        "lease-berlin",
        "36.8k · 81% cached",
        "force majeure",
    ):
        assert told in parsed.text, told


def test_a_primer_stands_above_its_followers(parsed: Parsed) -> None:
    jobs = parsed.text[parsed.text.index("Jobs jobs tokens read") :]
    places = [jobs.index(name) for name in ("lease-berlin", "◆ read", "rent", "notice period", "heating")]
    assert places == sorted(places)
    assert jobs.index("collect") > jobs.index("report")


def test_a_run_that_goes_on_says_what_is_stuck(recorded: Path, tmp_path: Path) -> None:
    lines = recorded.read_bytes().splitlines(keepends=True)
    half = tmp_path / "half.jsonl"
    half.write_bytes(b"".join(lines[:200]))
    text = Parsed(page_of(half)).text
    assert "still running, as of 2000-01-01 00:00:" in text
    assert "What waits, and why" in text


def test_what_is_put_into_an_element_or_attribute_is_text() -> None:
    written = tag("p", "<b>", tag("b", "&"), title='"><script>')
    assert written == '<p title="&quot;&gt;&lt;script&gt;">&lt;b&gt;<b>&amp;</b></p>'


HOSTILE = (
    "</script><script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus='",
    "<!-- <svg><a href='javascript:alert(1)'>",
    "&lt;b&gt; &#60;script&#62;",
    "\x1b]0;owned\x07\x1b[2J\x00",
    "\u202egnp.exe\u2066",
    "\ud800 lone",
    "{{7*7}} ${7*7}",
)


@pytest.mark.parametrize("rude", HOSTILE)
def test_no_text_of_a_job_can_do_anything(rude: str, tmp_path: Path) -> None:
    path = log(tmp_path / "rude.jsonl", rude_run(rude))
    page = page_of(path)
    encoded = page.encode("utf-8", "strict")
    parsed = Parsed(encoded.decode())
    assert parsed.open == []
    assert {name for name, _ in parsed.elements} <= ELEMENTS
    for _, attributes in parsed.elements:
        assert not [key for key in attributes if key.startswith("on") or key in LOADS or key == "autofocus"]
    assert not set(page) & set("\x00\x07\x1b\x9b\u202e\u2066\ud800")
    assert parsed.policy.startswith("default-src 'none'; style-src 'sha256-")


def rude_run(rude: str) -> list[Event]:
    common: dict[str, Any] = {"time": 2.0, "run": rude}
    return [
        RunStarted(seq=1, time=1.0, run=rude, slots=2, lanes={rude: 1.0, "b": 1.0}, metadata={rude: rude}),
        GroupStarted(seq=2, group=rude, lane=rude, metadata={rude: rude}, **common),
        JobSubmitted(
            seq=3, job="j", name=rude, executor=rude, lane=rude, group=rude, role="primer", key=rude, **common
        ),
        JobSubmitted(seq=4, job="k", name=rude, executor=rude, lane="b", payload=rude, **common),
        JobStarted(seq=5, job="j", lane=rude, group=rude, attempt=1, waited=1.0, **common),
        JobStarted(seq=6, job="k", lane="b", attempt=1, waited=1.0, **common),
        JobSuspended(seq=7, job="k", attempt=1, questions=(AskedQuestion(rude, rude),), **common),
        JobEnded(
            seq=8,
            time=3.0,
            run=rude,
            job="j",
            lane=rude,
            group=rude,
            status="failed",
            attempt=1,
            usage=Usage(1, 1, model=rude),
            error=ErrorText(rude, rude),
        ),
    ]


def test_a_giant_text_does_not_make_a_giant_page(tmp_path: Path) -> None:
    path = log(tmp_path / "giant.jsonl", rude_run("x" * 1_000_000))
    assert path.stat().st_size > 10_000_000
    assert len(page_of(path)) < 100_000


def test_ten_thousand_jobs_make_a_page_of_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in many_jobs(15_000)))
    page = page_of(path)
    assert len(page) < 8_000_000
    parsed = Parsed(page)
    assert "15,000" in parsed.text
    assert "15,000 attempts: too many to draw each" in parsed.text
    assert "and 5,000 more, which ended long before" in parsed.text
    assert "and 9,800 more: 9,800 done" in parsed.text
    assert sum("row" in str(found.get("class")).split() for _, found in parsed.elements) < 300


def many_jobs(count: int) -> Iterable[dict[str, Any]]:
    """A group of so many jobs, one after another, as lines of a log."""
    seq = 1
    yield {"v": 1, "seq": 1, "time": 0.0, "run": "r", "type": "run.started", "slots": 1, "lanes": {"a": 1.0}}
    yield {"v": 1, "seq": 2, "time": 0.0, "run": "r", "type": "group.started", "group": "g", "lane": "a"}
    for number in range(count):
        job = {"job": f"j{number}", "lane": "a", "group": "g", "v": 1, "run": "r"}
        seq += 3
        time = float(number)
        name = {"name": f"n{number}", "executor": "e", "role": "follower"}
        yield job | name | {"type": "job.submitted", "seq": seq, "time": time}
        yield job | {"type": "job.started", "seq": seq + 1, "time": time, "attempt": 1, "waited": 0.0}
        ended = {"type": "job.ended", "status": "succeeded", "attempt": 1, "seconds": 0.9}
        yield job | ended | {"seq": seq + 2, "time": time + 0.9}


def test_the_page_ends_with_the_work_and_says_of_a_failure_that_it_was_tried_again(tmp_path: Path) -> None:
    events: list[Event] = [RunStarted(time=100.0, run="r", slots=2, lanes={})]
    told: list[tuple[str, Any, float, dict[str, str]]] = [
        ("old", "failed", 101.0, {}),
        ("new", "succeeded", 105.0, {"paceline.retry_of": "old"}),
    ]
    for name, status, begun, metadata in told:
        known: dict[str, Any] = {"run": "r", "job": name, "lane": "default"}
        error = ErrorText("ValueError", "no page") if status == "failed" else None
        events += [
            JobSubmitted(time=begun, name=name, executor="e", metadata=metadata, **known),
            JobStarted(time=begun, attempt=1, waited=0.0, **known),
            JobEnded(time=begun + 3, status=status, attempt=1, error=error, **known),
        ]
    events.append(RunEnded(time=125.0, run="r", outcome="completed", counts={}))
    text = " ".join(Parsed(page_of(log(tmp_path / "run.jsonl", events))).texts)
    assert "took 8.0 s · then open for 17.0 s with nothing to do" in text
    assert "tried again: ValueError: no page" in text
    assert "1 failed" not in text

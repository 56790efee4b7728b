"""`paceline follow` and `paceline replay`, and an engine's own screen, at a real terminal."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paceline import Engine, JsonlSink
from paceline.testing import EchoExecutor, VirtualClock

from .conftest import Call

pytest.importorskip("pty", reason="there are no terminals of this kind on this system")
pytest.importorskip("textual", reason="the screen needs the extra tui")

from .pictures import COLUMNS, LINES, Watcher, watching
from .terminals import at_terminal

LOG = "events.jsonl"


@pytest.fixture
def log(_folder: None) -> Path:
    """The log of a run of three seconds."""
    path = Path(LOG)

    async def run() -> None:
        async with Engine(EchoExecutor(), sinks=[JsonlSink(path, content="full")], run_id="night") as engine:
            await engine.submit("a", name="first")
            await asyncio.sleep(3.0)
            await engine.submit("b", name="second")

    VirtualClock().run(run)
    return path


def test_a_log_is_followed_from_before_it_is_there_to_the_end_of_the_run(log: Path) -> None:
    *before, last = log.read_bytes().splitlines(keepends=True)
    log.unlink()
    with watching("follow", LOG) as person:
        person.sees(f"Waits for {LOG} to be there.")
        log.write_bytes(b"".join(before) + last[:20])
        person.sees("run night", "2 of 2", "first", "second")
        assert "COMPLETED" not in person.sees("IDLE")
        log.write_bytes(b"".join(before) + last)
        person.sees("COMPLETED")
        person.types("q")
        assert person.screen.end() == 0
        assert person.screen.echoes()


def test_ctrl_c_leaves_and_the_terminal_is_as_it_was(log: Path) -> None:
    with watching("follow", LOG) as person:
        person.sees("COMPLETED")
        person.types("\x03")
        assert person.screen.end() == 130
        assert person.screen.echoes()


def test_a_replay_is_played_faster_and_stopped(log: Path) -> None:
    with watching("replay", LOG, "--speed", "0.1") as person:
        person.sees("REPLAY", "x0.1", "first")
        person.types(" ")
        assert "second" not in person.sees("PAUSED")
        person.types(" " + "+" * 20)
        person.sees("COMPLETED", "second")
        person.types("q")
        assert person.screen.end() == 0


def test_a_replay_begins_near_the_end(log: Path) -> None:
    with watching("replay", LOG, "--last", "0") as person:
        person.sees("COMPLETED", "second")
        person.types("q")
        assert person.screen.end() == 0


@pytest.mark.usefixtures("_folder")
def test_a_file_that_becomes_something_else_is_told_in_one_line() -> None:
    with watching("follow", LOG) as person:
        person.sees("Waits for")
        Path(LOG).write_text("not a log\n")
        assert person.screen.end() == 2
        assert f"paceline: {LOG} is no event log of paceline" in person.told()


@pytest.mark.parametrize("command", ["follow", "replay"])
def test_without_a_terminal_it_points_to_what_needs_none(paceline: Call, log: Path, command: str) -> None:
    done = paceline(command, LOG)
    assert done.code == 2
    assert done.err == (
        "paceline: the screen needs a terminal, and standard input is none; "
        f"to read the log as text: paceline show {LOG}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "none.jsonl"], "none.jsonl: No such file or directory"),
        (["replay", "."], ".: Is a directory"),
        (["follow", "."], ". is a folder; name the event log in it"),
        (["replay", "empty.jsonl"], "empty.jsonl has nothing in it yet"),
        (["replay", "text.jsonl"], "text.jsonl is no event log of paceline: line 1"),
        (["replay", "later.jsonl"], "later.jsonl is"),
        (["replay", LOG, "--speed", "0"], "--speed: expected a number above 0, not 0"),
        (["replay", LOG, "--speed", "nan"], "--speed: expected a number above 0, not nan"),
        (["replay", LOG, "--from", "soon"], "--from: expected seconds from the start (90) or a time"),
        (["replay", LOG, "--from", "4"], "--from: 4 is after the end: the log is of 3.0 seconds"),
        (["replay", LOG, "--last", "-1"], "--last: expected seconds, 0 or more, not -1"),
        (["replay", LOG, "--last", "1", "--from", "1"], "--from and --last both say where to begin"),
        (["replay", LOG, "--screenshot", "x.svg", "--size", "9x9"], "--size: expected from 40x12 to 400x200"),
        (["replay", LOG, "--screenshot", "no/x.svg"], "--screenshot no/x.svg: No such file or directory"),
    ],
)
def test_bad_input_is_told_in_one_line(paceline: Call, log: Path, arguments: list[str], said: str) -> None:
    Path("empty.jsonl").touch()
    Path("text.jsonl").write_text("hello\n")
    Path("later.jsonl").write_text(json.dumps({"v": 2, "seq": 1, "type": "run.started"}) + "\n")
    done = paceline(*arguments)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_moment_is_drawn_into_a_file(paceline: Call, log: Path) -> None:
    done = paceline("replay", LOG, "--screenshot", "out.svg", "--from", "1", "--size", "100x30")
    assert done.code == 0, done.err
    picture = Path("out.svg").read_text().replace("&#160;", " ")
    assert "first" in picture
    assert "second" not in picture
    assert "://" not in picture.replace("http://www.w3.org", "")
    assert paceline("replay", LOG, "--screenshot", "end.svg").code == 0
    assert "second" in Path("end.svg").read_text()


OWN = """
import asyncio, sys
from paceline import Engine
from paceline_integrations.screen import Screen

async def work(payload):
    await asyncio.sleep(0.01 if payload == "quick" else 3600)
    return payload

async def main():
    screen = Screen()
    async with Engine(work, sinks=[screen.sink]) as engine:
        try:
            async with screen.watching(engine):
                quick = await engine.submit("quick", name="quick one")
                print(await quick, file=sys.stderr)
                if "fail" in sys.argv:
                    raise ValueError("the block failed")
                if "wait" in sys.argv:
                    await engine.submit("slow", name="slow one")
                    await asyncio.sleep(3600)
        finally:
            print("the block is left")

asyncio.run(main())
"""


@contextmanager
def own(*arguments: str) -> Generator[Watcher]:
    with at_terminal(*arguments, columns=COLUMNS, lines=LINES, program=OWN) as screen:
        yield Watcher(screen)


def test_a_screen_over_a_block_stays_until_it_is_left() -> None:
    with own() as person:
        person.sees("quick one", "1 done", "Nothing is left to do.")
        person.types("q")
        assert person.screen.end() == 0
        assert "the block is left" in person.told()


def test_ctrl_c_on_a_screen_over_a_block_interrupts_the_block() -> None:
    with own("wait") as person:
        person.sees("slow one", "1 running")
        person.types("\x03")
        assert person.screen.end() == -signal.SIGINT
        assert "the block is left" in person.told()
        assert "KeyboardInterrupt" in person.told()
        assert person.screen.echoes()


def test_a_job_is_cancelled_on_a_screen_over_a_block() -> None:
    with own("wait") as person:
        person.sees("slow one", "1 running")
        person.types("\x1b[B")
        person.sees("Job slow one")
        person.types("c")
        person.sees("Cancel the job slow one?")
        person.types("y")
        person.sees("1 cancelled")
        person.types("\x03")
        assert person.screen.end() == -signal.SIGINT


def test_a_block_that_fails_closes_its_screen() -> None:
    with own("fail") as person:
        assert person.screen.end() == 1
        assert "ValueError: the block failed" in person.screen.text
        assert person.screen.echoes()


PRINTS = """
import asyncio, sys
from paceline import Engine
from paceline_integrations.screen import Screen

async def work(payload):
    print("printed by", payload)
    return payload

async def main():
    screen = Screen()
    async with Engine(work, sinks=[screen.sink]) as engine, screen.watching(engine):
        print("printed by the block")
        await engine.submit("a job", name="only one")
        print("printed as an error, without an end of line", end="", file=sys.stderr)

asyncio.run(main())
"""


@pytest.mark.usefixtures("_folder")
@pytest.mark.parametrize("redirected", [False, True], ids=["to the terminal", "to a file"])
def test_what_is_printed_below_a_screen_comes_out_when_it_is_left(redirected: bool) -> None:
    stdout = Path("out.txt") if redirected else None
    with at_terminal(columns=COLUMNS, lines=LINES, program=PRINTS, stdout=stdout) as screen:
        person = Watcher(screen)
        person.sees("only one", "ALL DONE", "q leaves")
        person.types("q")
        assert person.screen.end() == 0
        told = person.told()
        printed = told if stdout is None else stdout.read_text()
    assert printed.replace("\r", "").startswith("printed by the block\nprinted by a job\n")
    assert told.rstrip().endswith("printed as an error, without an end of line")
    assert told.count("printed by") == (0 if redirected else 2)


def test_a_run_whose_screen_only_waits_to_be_left_is_not_running(log: Path) -> None:
    with own() as person:
        shown = person.sees("ALL DONE", "q leaves")
        assert "RUNNING" not in shown
        person.types("q")
        assert person.screen.end() == 0

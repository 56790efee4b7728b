"""Why jobs waited: the reason that held them the longest part of their wait, as far as the log tells."""

from __future__ import annotations

from paceline.events import Event, JobReplied, JobStarted, QueueSampled, RunEnded, Waits
from paceline_integrations.summary import RunSummary, SummaryTally, WaitedJob

from .story import Story


def summary_of(story: Story) -> RunSummary:
    tally = SummaryTally()
    for event in story.told:
        tally.apply(event)
    return tally.summary()


def starts(story: Story, name: str, waited: float, attempt: int = 1) -> None:
    story.tell(JobStarted(job=name, lane="default", attempt=attempt, waited=waited))


def longest(story: Story, name: str) -> WaitedJob:
    return next(each for each in summary_of(story).waited if each.name == name)


def test_a_follower_waited_for_its_primer_and_not_for_its_turn() -> None:
    story = Story()
    story.group("g", "a", "b", settle=0.5)
    story.start("intro")
    story.wait(3)
    story.answer("intro")
    story.release("g")
    story.wait(0.6)
    starts(story, "a", 3.6)
    waited = longest(story, "a")
    assert (waited.kind, waited.why) == ("release", "waits for its primer 'intro' to answer")
    (held,) = summary_of(story).held
    assert (held.kind, held.seconds, held.jobs) == ("release", 3.0, 2)


def test_time_after_the_release_counts_for_what_held_the_follower_then() -> None:
    story = Story()
    story.group("g", "a")
    story.start("intro")
    story.wait(2)
    story.release("g")
    story.sample(Waits("limit", "gpt: requests", "", 1, ("a",)))
    story.wait(9)
    starts(story, "a", 11.0)
    assert longest(story, "a").kind == "limit"


def test_a_job_waited_for_what_it_comes_after() -> None:
    story = Story()
    story.submit("first")
    story.submit("then", after=("first",))
    story.start("first")
    story.wait(5)
    story.end("first")
    story.wait(0.1)
    starts(story, "then", 5.1)
    assert longest(story, "then").why == "waits for 'first' to end"


def test_the_time_of_a_question_is_the_persons_and_what_follows_is_not() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.suspend("a", "which")
    story.wait(24)
    story.tell(JobReplied(job="a", question="which"))
    story.wait(1)
    starts(story, "a", 25.0, 2)
    waited = longest(story, "a")
    assert (waited.kind, waited.why) == ("reply", "waits for the answer to a question")
    (held,) = summary_of(story).held
    assert (held.text, held.seconds, held.jobs) == ("wait for the answers to their questions", 24.0, 1)


def test_a_question_answered_at_once_does_not_explain_a_long_wait() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.suspend("a", "which")
    story.wait(1)
    story.tell(JobReplied(job="a", question="which"))
    story.sample(Waits("slot", None, "", 1, ("a",)))
    story.wait(20)
    starts(story, "a", 21.0, 2)
    assert longest(story, "a").kind == "slot"


def test_a_backoff_is_told_with_its_error() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.retry("a", delay=4.0)
    story.wait(4.5)
    starts(story, "a", 4.5, 2)
    assert longest(story, "a").why == "waits to be tried again, after an error (Busy)"


def test_what_holds_all_is_told_of_a_job_that_no_sample_names() -> None:
    story = Story()
    story.submit("a")
    story.sample(Waits("slot", None, "", 500, ("x",)))
    story.wait(60)
    story.sample()
    starts(story, "a", 60.0)
    assert longest(story, "a").why == "waits for a free slot"


def test_what_is_still_asked_holds_up_to_now_and_no_longer_than_the_run() -> None:
    story = Story()
    for name in ("a", "b"):
        story.submit(name)
        story.start(name)
        story.suspend(name, "which")
    story.wait(10)
    story.tell(RunEnded(outcome="completed", counts={}))
    story.wait(5)
    odd: Event = QueueSampled(slots_used=0, waiting=0, lanes={}, waits=())
    story.tell(odd)
    (held,) = summary_of(story).held
    assert (held.seconds, held.jobs) == (10.0, 2)


def test_the_time_in_which_a_run_is_only_kept_open_is_no_time_of_work() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.wait(12)
    story.end("a")
    story.wait(17)
    story.tell(RunEnded(outcome="completed", counts={}))
    summary = summary_of(story)
    assert (summary.seconds, summary.kept_open) == (12.0, 17.0)


def test_a_run_that_was_closed_while_a_question_was_open_was_not_only_kept_open() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.suspend("a", "which")
    story.wait(17)
    story.tell(RunEnded(outcome="completed", counts={}))
    summary = summary_of(story)
    assert (summary.seconds, summary.kept_open) == (17.0, 0.0)


def test_what_a_sample_names_no_more_has_ended() -> None:
    story = Story()
    story.submit("a")
    story.sample(Waits("limit", "gpt: requests", "", 1, ("a",)))
    story.wait(4)
    story.sample(Waits("lock", "file", "", 1, ("b",)))
    story.wait(1)
    story.sample(Waits("slot", None, "", 1, ("a",)))
    story.wait(5)
    starts(story, "a", 10.0)
    assert longest(story, "a").kind == "slot"

"""What to tell a model of the tools that adapters bring: a sentence each, to put into its instructions.

agent = Agent(name="planner", instructions=f"Plan the trip. {ASK_USER} {REPORT_STATUS}", tools=[...])
"""

__all__ = ["ASK_USER", "REPORT_STATUS", "WRAP_UP"]

ASK_USER: str = (
    "When you cannot go on without a decision or a fact that only the person you work for has, call "
    "ask_user with one clear question and go on with the answer; do not guess, and do not ask what you can "
    "find out."
)
"""Goes with the tool `ask_user`."""

REPORT_STATUS: str = (
    "Before each larger step call report_status with a few words on what you are about to do, and the "
    "fraction done from 0 to 1 where you know it; it answers nothing, so go on at once."
)
"""Goes with the tool `report_status`."""

WRAP_UP: str = (
    "You have used up your turns: call no more tools, and give your final answer now from what you have, "
    "saying plainly what is missing."
)
"""What an agent that is out of turns is told in its last one."""

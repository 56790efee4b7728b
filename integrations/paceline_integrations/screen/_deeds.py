"""What a person does to the run: cancel a job, run it again, answer its question."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from paceline_integrations.runstate import GroupView, JobView, plain_text

from ._dialogs import AnswerDialog, CancelDialog, wrong

if TYPE_CHECKING:
    from textual.app import App

    from ._controls import Controls
    from ._picture import Picture

__all__ = ["Deeds"]


class Deeds:
    """Asks what has to be asked, has it done by the controls, and tells what comes of it."""

    def __init__(self, app: App[Any], picture: Picture, controls: Controls | None) -> None:
        self._app: App[Any] = app
        self._picture: Picture = picture
        self._controls: Controls | None = controls

    def cancel(self) -> None:
        """Ask whether the selected job is to be cancelled."""
        job, controls = self._chosen("cancel"), self._controls
        if job is None or controls is None:
            return
        if job.done:
            self._tell(f"{job.name} has ended already: it is {job.status}.", bad=True)
            return

        def decided(wanted: bool | None) -> None:
            if wanted:
                self._begin(controls.cancel(job.id))

        self._app.push_screen(CancelDialog(job, len(job.children)), decided)

    def retry(self) -> None:
        """Run the selected job's work again."""
        job = self._chosen("retry")
        if job is not None and self._controls is not None:
            self._begin(self._controls.retry(job.id), f"{job.name} runs again.")

    def answer(self) -> None:
        """Ask for an answer to the selected job's question, or to the oldest one that is open."""
        if self._controls is None:
            self._chosen("answer")
            return
        node = self._picture.selected
        asking = [job for job in self._picture.state.asking.values() if job.questions]
        job = node if isinstance(node, JobView) and node.questions else asking[0] if asking else None
        if job is None:
            self._tell("No job asks anything.")
            return
        try:
            questions = self._controls.questions(job.id)
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(wrong(error), bad=True)
            return
        if questions:
            self._app.push_screen(AnswerDialog(job, questions, self._controls.answer))

    def _chosen(self, what: str) -> JobView | None:
        node = self._picture.selected
        if self._controls is None:
            text = f"To {what} a job, the engine has to be in this process: paceline run --tui"
            self._tell(text, bad=True)
        elif isinstance(node, JobView):
            return node
        elif isinstance(node, GroupView) or node is None:
            self._tell(f"Choose the job to {what} with the arrows.", bad=True)
        return None

    def _begin(self, deed: Awaitable[None], then: str = "") -> None:
        async def do() -> None:
            try:
                await deed
            except Exception as error:  # noqa: BLE001 - of controls that anybody may write: the screen goes on
                self._tell(wrong(error), bad=True)
            else:
                self._tell(then)

        self._app.run_worker(do())

    def _tell(self, text: str, *, bad: bool = False) -> None:
        if text:
            self._app.notify(plain_text(text, 400), severity="error" if bad else "information", markup=False)

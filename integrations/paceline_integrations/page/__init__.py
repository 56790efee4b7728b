"""The page of a run: one HTML file, with its sums, timeline and tree, that needs no network and no script.

from paceline_integrations.page import Sketch, render_page
from paceline_integrations.summary import summarise
sketch = Sketch()
summary = summarise("run.jsonl", seen=sketch.look)
Path("run.html").write_text(render_page(summary, sketch), encoding="utf-8")
"""

from ._page import render_page as render_page
from ._sketch import Sketch as Sketch

__all__ = ["Sketch", "render_page"]

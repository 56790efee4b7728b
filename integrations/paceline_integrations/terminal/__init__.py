"""Reports and plans as a person reads them in a terminal, drawn by rich.

from rich import print
print(report_tree(report))
print(report_timeline(report))
print(plan_tree(dag))
print(savings_table(report.savings(by="tenant")))
"""

try:
    import rich as _rich
except ImportError as _error:
    raise ImportError('drawing in a terminal needs an extra: pip install "paceline[cli]"') from _error

from ._plan import plan_tree as plan_tree
from ._savings import savings_table as savings_table
from ._timeline import report_timeline as report_timeline
from ._tree import report_tree as report_tree

del _rich

__all__ = ["plan_tree", "report_timeline", "report_tree", "savings_table"]

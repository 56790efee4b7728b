"""Types at build time: whether what one task returns can fit what another one takes.

Nothing here runs a task or looks at a value: these are pure functions over annotations, and what annotations
do not tell is UNKNOWN, never a guess and never an exception.
"""

from ._fits import Fit as Fit, verdict as verdict
from ._forms import UNKNOWN as UNKNOWN, type_name as type_name
from ._hints import Hints as Hints, hints_of as hints_of, notes_of as notes_of
from ._picks import Missing as Missing, pick_type as pick_type

__all__ = [
    "UNKNOWN",
    "Fit",
    "Hints",
    "Missing",
    "hints_of",
    "notes_of",
    "pick_type",
    "type_name",
    "verdict",
]

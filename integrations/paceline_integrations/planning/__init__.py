"""What groups of jobs would cost and how long they would take, in which order. Pure: nothing is run."""

from ._forecast import Forecast as Forecast, forecast as forecast
from ._policies import PolicyName as PolicyName
from ._simulation import Holdup as Holdup, Prediction as Prediction
from ._words import recommendation as recommendation
from ._workload import PlannedGroup as PlannedGroup, PlannedJob as PlannedJob, Rates as Rates
from ._worth import Unpaid as Unpaid, break_even as break_even

__all__ = [
    "Forecast",
    "Holdup",
    "PlannedGroup",
    "PlannedJob",
    "PolicyName",
    "Prediction",
    "Rates",
    "Unpaid",
    "break_even",
    "forecast",
    "recommendation",
]

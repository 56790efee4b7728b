"""What an error of the client means for its job."""

from __future__ import annotations

import json
import time

import gigachat
from pydantic import ValidationError

from paceline import MISTAKES, Failure, classify_error

__all__ = ["classify"]


def classify(error: Exception) -> Failure:
    """Say whether another attempt may succeed, when, and whose fault it was.

    What is not known is retryable; mistakes in payloads and settings are not.
    """
    if isinstance(error, ValidationError | json.JSONDecodeError | UnicodeDecodeError):
        return Failure(True, fault="provider")  # payloads were looked at before: it is what came
    known = classify_error(error, now=time.time())
    if known is not None:
        return known
    if isinstance(error, (gigachat.GigaChatException, *MISTAKES)):
        return Failure(False, fault="request")
    return Failure(True)

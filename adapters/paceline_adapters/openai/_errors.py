"""What an error of the client means for its job."""

from __future__ import annotations

import json
import time

import openai

from paceline import MISTAKES, Failure, classify_error

__all__ = ["classify"]


def classify(error: Exception) -> Failure:
    """Say whether another attempt may succeed, when, and whose fault it was.

    What is not known is retryable; mistakes in payloads and settings are not.
    """
    if isinstance(error, openai.LengthFinishReasonError | openai.ContentFilterFinishReasonError):
        return Failure(False, fault="request")
    if isinstance(error, openai.APIResponseValidationError | json.JSONDecodeError | UnicodeDecodeError):
        return Failure(True, fault="provider")  # what came was cut off, or came from a proxy
    known = classify_error(error, now=time.time())
    if known is not None:
        return known
    if isinstance(error, (openai.OpenAIError, *MISTAKES)):
        return Failure(False, fault="request")
    return Failure(True)

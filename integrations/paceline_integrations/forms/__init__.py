"""How a person types an answer to a job's question, by the schema that the answer must fit."""

from ._forms import Form as Form, form_of as form_of
from ._schema import json_schema as json_schema

__all__ = ["Form", "form_of", "json_schema"]

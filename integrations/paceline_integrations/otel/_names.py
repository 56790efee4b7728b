"""Every name that leaves with a span, in one place: the conventions move.

Checked in November 2026. GenAI: github.com/open-telemetry/semantic-conventions-genai, all "Development".
OpenInference (Phoenix; MLflow and Langfuse read it too): arize-ai.github.io/openinference/spec. Langfuse:
langfuse.com/integrations/native/opentelemetry. The constants of `opentelemetry.semconv` are not used: there
the GenAI ones are deprecated, since they live elsewhere now.
"""

from typing import Final

__all__ = [
    "AFTER",
    "AGENT_NAME",
    "AGENT_OPERATION",
    "ASKED",
    "ATTEMPT",
    "CACHE_READ_TOKENS",
    "CACHE_WRITE_TOKENS",
    "CHAT_OPERATION",
    "CONVERSATION",
    "ERROR_TYPE",
    "EVENTS_DROPPED",
    "EXCEPTION",
    "EXCEPTION_MESSAGE",
    "EXCEPTION_TYPE",
    "EXECUTOR",
    "GROUP",
    "GROUP_ID",
    "HIT_RATIO",
    "HTTP_STATUS",
    "INPUT_MESSAGES",
    "INPUT_TOKENS",
    "INPUT_TYPE",
    "INPUT_VALUE",
    "INSTRUMENTATION",
    "JOBS",
    "JOB_ATTEMPTS",
    "JOB_DURATION",
    "JOB_ID",
    "JOB_KEY",
    "JOB_NAME",
    "LANE",
    "LANGFUSE_TAGS",
    "LIMIT_WHY",
    "LINK_TYPE",
    "OPERATION",
    "OUTCOME",
    "OUTPUT_MESSAGES",
    "OUTPUT_TOKENS",
    "OUTPUT_TYPE",
    "OUTPUT_VALUE",
    "OWN_USAGE",
    "QUESTION",
    "QUEUE_DEPTH",
    "REASONING_TOKENS",
    "REFUSALS",
    "REQUEST_MODEL",
    "RESPONSE_ID",
    "RESPONSE_MODEL",
    "RETRY_DELAY",
    "ROLE",
    "RUN_ID",
    "SESSION",
    "SHOWN_AS",
    "SUSPENDED",
    "TAGS",
    "TOKENS",
    "TOKEN_TYPE",
    "TOOL_ARGUMENTS",
    "TOOL_NAME",
    "TOOL_OPERATION",
    "TOOL_RESULT",
    "TOOL_TYPE",
    "USAGE_PREFIXES",
    "USER",
    "WAITED",
    "WAIT_DURATION",
    "WORKFLOW",
    "WORKFLOW_OPERATION",
]

INSTRUMENTATION: Final = "paceline"
"""The scope under which the tracer is known."""

# Paceline's own: there is no convention for what they say.

RUN_ID: Final = "paceline.run.id"
GROUP: Final = "paceline.group"
GROUP_ID: Final = "paceline.group.id"
JOB_ID: Final = "paceline.job.id"
JOB_NAME: Final = "paceline.job.name"
JOB_KEY: Final = "paceline.job.key"
LANE: Final = "paceline.lane"
ROLE: Final = "paceline.role"
EXECUTOR: Final = "paceline.executor"
ATTEMPT: Final = "paceline.attempt"
"""The number of the attempt, from 1; 0 on the span of a job that ended without one, or between two."""
WAITED: Final = "paceline.wait.seconds"
"""From submission, or the end of the attempt before; not on one that goes on after an answer or a rest."""
OUTCOME: Final = "paceline.outcome"
RETRY_DELAY: Final = "paceline.retry.delay.seconds"
AFTER: Final = "paceline.after.count"
"""How many jobs and groups a job came after: links are limited (to 128, unless the SDK is told otherwise)."""
LINK_TYPE: Final = "paceline.link.type"
"""On a link: `primer`, `dependency`, `retry`, `resumed` or `submitter`."""
SUSPENDED: Final = "paceline.suspended"
"""The event of an attempt that asked something."""
ASKED: Final = "paceline.questions.count"
QUESTION: Final = "paceline.question"
OWN_USAGE: Final = "paceline.usage."
"""What the engine counted for the attempt, always there; no backend adds it up."""

# GenAI: github.com/open-telemetry/semantic-conventions-genai, docs/registry/attributes/gen-ai.md

OPERATION: Final = "gen_ai.operation.name"
WORKFLOW_OPERATION: Final = "invoke_workflow"
AGENT_OPERATION: Final = "invoke_agent"
TOOL_OPERATION: Final = "execute_tool"
CHAT_OPERATION: Final = "chat"
WORKFLOW: Final = "gen_ai.workflow.name"
AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
CONVERSATION: Final = "gen_ai.conversation.id"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
"""Cached ones included, as the convention says and `Usage.input_tokens` has it."""
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"

USAGE_PREFIXES: Final = ("gen_ai.usage.", "llm.token_count.", "llm.usage.")
"""How the attributes begin by which instrumentations tell usage: GenAI's, OpenInference's, Traceloop's."""

# General, from opentelemetry.io/docs/specs/semconv

ERROR_TYPE: Final = "error.type"
HTTP_STATUS: Final = "http.response.status_code"
EXCEPTION: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
SESSION: Final = "session.id"
USER: Final = "user.id"

# What OpenInference says; Langfuse reads it too, and one more

SHOWN_AS: Final = "openinference.span.kind"
"""What kind of step a backend shows it as: CHAIN, LLM, AGENT, TOOL, GUARDRAIL."""
INPUT_VALUE: Final = "input.value"
INPUT_TYPE: Final = "input.mime_type"
OUTPUT_VALUE: Final = "output.value"
OUTPUT_TYPE: Final = "output.mime_type"
TAGS: Final = "tag.tags"
LANGFUSE_TAGS: Final = "langfuse.trace.tags"

# Of metrics of queues and jobs there is no convention.

QUEUE_DEPTH: Final = "paceline.queue.depth"
WAIT_DURATION: Final = "paceline.job.wait.duration"
JOB_DURATION: Final = "paceline.job.duration"
JOB_ATTEMPTS: Final = "paceline.job.attempts"
JOBS: Final = "paceline.jobs"
TOKENS: Final = "paceline.tokens"
HIT_RATIO: Final = "paceline.cache.hit_ratio"
REFUSALS: Final = "paceline.limit.refusals"
EVENTS_DROPPED: Final = "paceline.events.dropped"
TOKEN_TYPE: Final = "paceline.token.type"  # noqa: S105 - of a model
LIMIT_WHY: Final = "paceline.limit.why"

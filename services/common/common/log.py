"""Logs: one JSON object for each line on standard output, or readable lines for a person.

Bound values, such as the request id, appear in every line: those of `bound(...)` inside its block, those of
`bind(...)` until the task ends. If tracing is on, lines also carry the ids of trace and span.
"""

import logging
import sys

import structlog
from structlog.contextvars import bind_contextvars as bind
from structlog.contextvars import bound_contextvars as bound
from structlog.typing import EventDict, Processor

from common import trace

__all__ = ["bind", "bound", "error_text", "get", "setup"]


def setup(service: str, *, level: str = "INFO", readable: bool = False) -> None:
    """Configure the logs of this process. Call it before the first line is logged."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *([_add_trace] if trace.is_on else []),
        structlog.processors.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
    ]
    if readable:
        render: list[Processor] = [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)]
    else:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        render = [stamp, _add_service(service), structlog.processors.JSONRenderer()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # it writes a line for each retry of each call, and the last error reaches the caller
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger(name)


def error_text(error: BaseException) -> str:
    """Return the error's class and message. The message alone is often empty."""
    return f"{type(error).__name__}: {error}"


def _add_service(service: str) -> Processor:
    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _add_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    event.update(trace.current_ids())
    return event

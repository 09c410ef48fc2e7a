"""Logs: one JSON object a line on standard output, or readable lines where a person watches.

Whatever is bound (a request's id, say) is in every line written meanwhile: with `bound(...)` for the length
of a block, with `bind(...)` to the end of the task. While traces are on, so are the ids of trace and span.
"""

import logging
import sys

import structlog
from structlog.contextvars import bind_contextvars as bind
from structlog.contextvars import bound_contextvars as bound
from structlog.typing import EventDict, Processor

from common import trace

__all__ = ["bind", "bound", "get", "setup"]


def setup(service: str, *, level: str = "INFO", readable: bool = False) -> None:
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *([_with_trace] if trace.is_on else []),
        structlog.processors.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
    ]
    if readable:
        render: list[Processor] = [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)]
    else:
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        render = [stamp, _name(service), structlog.processors.JSONRenderer()]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger(name)


def _name(service: str) -> Processor:
    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _with_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    event.update(trace.ids())
    return event

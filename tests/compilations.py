"""Counts what JAX compiles."""

import contextlib
import dataclasses
import logging

import jax

_STARTS = "Compiling "
# What pmap calls everything.
MAPPED = "jit(_fun)"


@dataclasses.dataclass
class Count:
    """Names of the functions that were compiled, in order."""

    names: list[str]


@contextlib.contextmanager
def counted():
    """Yields a `Count` that fills while the block runs."""
    count = Count([])

    class Handler(logging.Handler):
        def emit(self, record):
            message = record.getMessage()
            if message.startswith(_STARTS):
                count.names.append(message.split()[1])

    logger, handler = logging.getLogger("jax"), Handler()
    before = logger.propagate, logger.handlers
    logger.propagate, logger.handlers = False, [handler]
    try:
        with jax.log_compiles():
            yield count
    finally:
        logger.propagate, logger.handlers = before

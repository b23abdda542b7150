"""Decoding in threads with bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

COUNT = min(8, os.cpu_count() or 1)


def in_order(
    function: Callable[[In], Out], items: Iterable[In]
) -> Iterator[Out]:
    """`map` over threads, in order, with few results waiting at a time."""
    with ThreadPoolExecutor(COUNT) as pool:
        waiting: deque[Future[Out]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 4 * COUNT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

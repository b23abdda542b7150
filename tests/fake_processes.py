"""Several processes of one run, acted one after the other in this one."""

import contextlib
import itertools

import jax

from jaxstyle import parallel


class Coordinator:
    """Keeps what process 0 tells until the others ask."""

    def __init__(self):
        self.told = {}

    def key_value_set(self, key, value):
        assert key not in self.told
        self.told[key] = value

    def blocking_key_value_get(self, key, milliseconds):
        assert milliseconds > 0
        return self.told[key]


class Processes:
    """`with processes.acting(n):` is process n of two; 0 has to act first."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self._coordinator = Coordinator()
        self._turns = itertools.count(), itertools.count()

    @contextlib.contextmanager
    def acting(self, index):
        with self._monkeypatch.context() as patch:
            patch.setattr(jax, "process_count", lambda: 2)
            patch.setattr(jax, "process_index", lambda: index)
            patch.setattr(parallel.global_state, "client", self._coordinator)
            patch.setattr(parallel, "_turns", self._turns[index])
            yield

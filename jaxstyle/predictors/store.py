"""A file of answers by key.

SQLite keeps it whole when a process is killed, and lets several processes
of one machine read and write it at the same time. Each call opens it anew,
so that threads and forks need no care.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

# As long does a process wait while another one writes.
_WAIT_SECONDS = 60.0


class Store:
    """Arrays of float32 by key; they come back bit by bit.

    Args:
      path: the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """The arrays of those keys that are known.

        Raises:
          sqlite3.Error: if the file is damaged or cannot be read.
        """
        found = {}
        with self._open() as file:
            for key in keys:
                row = file.execute(
                    "SELECT answer FROM answers WHERE key = ?", (key,)
                ).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], "<f4")
        return found

    def put(self, items: Mapping[bytes, np.ndarray]) -> None:
        """Keeps all of them or, if that fails or is interrupted, none.

        Raises:
          sqlite3.Error: if the file is damaged or cannot be written.
        """
        rows = [
            (key, row.astype("<f4").tobytes()) for key, row in items.items()
        ]
        with self._open() as file, file:
            file.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)", rows
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, _WAIT_SECONDS)) as file:
            file.execute(
                "CREATE TABLE IF NOT EXISTS answers"
                " (key BLOB PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID"
            )
            yield file

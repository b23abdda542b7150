"""States on disk; the only room that knows Orbax.

A checkpoint is a state (one tree of arrays) plus a record: the position of
the data iterator and the checksums of all leaves. What is read is compared
with the record, so damage anywhere is noticed and never restored.

Of several processes, which share the file system, process 0 alone writes;
each reads for itself.
"""

from jaxstyle.checkpoints.folder import CheckpointError, DamagedError
from jaxstyle.checkpoints.series import Checkpoints, HasPosition
from jaxstyle.checkpoints.trees import load_tree, save_tree

__all__ = [
    "CheckpointError",
    "Checkpoints",
    "DamagedError",
    "HasPosition",
    "load_tree",
    "save_tree",
]

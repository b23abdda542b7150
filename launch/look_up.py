"""Tells which file a pseudonym stands for.

python -m launch.look_up --config=configs/knee.py --workdir=runs/knee --id=...
"""

from absl import flags

from jaxstyle.explain import look_up
from launch import common

_ID = flags.DEFINE_string("id", None, "Pseudonym of an image or a patient.")
flags.mark_flag_as_required("id")

if __name__ == "__main__":
    common.main(lambda config, root: look_up.run(config, root, _ID.value))

"""Measures speed, as ratios in one run; see docs/performance.md.

python -m launch.benchmark --output=performance.json
python -m launch.benchmark --suite=synthesis,steps --resolutions=32,64 \
    --output=performance.json
"""

import logging
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging

from jaxstyle import workdir
from jaxstyle.benchmark import suites
from jaxstyle.benchmark.settings import Settings

_SUITE = flags.DEFINE_list(
    "suite", list(suites.DEFAULT), f"Which of {', '.join(suites.SUITES)}."
)
_RESOLUTIONS = flags.DEFINE_list(
    "resolutions",
    [str(side) for side in Settings.resolutions],
    "Sides in pixels; suites that measure at one take the first.",
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.")
flags.mark_flag_as_required("output")
flags.register_validator(
    _RESOLUTIONS,
    lambda sides: all(side.isdecimal() for side in sides),
    "use whole numbers, such as 32,64",
)


def main(argv: list[str]) -> None:
    """Runs the suites and writes their record, anew after each."""
    if len(argv) > 1:
        raise app.UsageError(f"{argv[1]!r} is not a flag")
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.get_absl_handler().setFormatter(
        logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S")
    )
    for name in ("absl", "jax"):
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = Settings(tuple(int(side) for side in _RESOLUTIONS.value))
    output = Path(_OUTPUT.value)
    if not output.absolute().parent.is_dir():
        raise app.UsageError(f"output = {output}: its folder does not exist")
    suites.run(
        _SUITE.value,
        settings,
        lambda record: workdir.write_json(output, record),
    )
    logging.info("wrote %s", output)


if __name__ == "__main__":
    app.run(main)

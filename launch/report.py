"""Writes the report, one HTML page.

python -m launch.report --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.report import build
from launch import common

if __name__ == "__main__":
    common.main(build.run)

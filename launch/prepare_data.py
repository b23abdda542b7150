"""Writes the images of a config as a dataset.

python -m launch.prepare_data --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.data import prepare
from launch import common

if __name__ == "__main__":
    common.main(prepare.run)

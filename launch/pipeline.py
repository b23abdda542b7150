"""Runs all stages, from images to the report.

python -m launch.pipeline --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle import pipeline
from launch import common

if __name__ == "__main__":
    common.main(pipeline.run)

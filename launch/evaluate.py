"""Measures the whole run.

python -m launch.evaluate --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.evaluation import evaluate
from launch import common

if __name__ == "__main__":
    common.main(evaluate.run)

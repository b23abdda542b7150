"""Compares ways to invert the generator, each with an encoder of its own.

python -m launch.compare_inversions --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.explain import compare_inversions
from launch import common

if __name__ == "__main__":
    common.main(compare_inversions.run)

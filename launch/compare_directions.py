"""Compares all methods of finding a direction, on the same images.

python -m launch.compare_directions --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.explain import compare
from launch import common

if __name__ == "__main__":
    common.main(compare.run)

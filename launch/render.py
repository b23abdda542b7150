"""Renders the counterfactual walks.

python -m launch.render --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.explain import render
from launch import common

if __name__ == "__main__":
    common.main(render.run)

"""Fits the latent predictor, whose normal is the direction of the walks.

python -m launch.fit_direction --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.explain import direction
from launch import common

if __name__ == "__main__":
    common.main(direction.run)

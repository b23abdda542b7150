"""Trains the built-in predictor f.

python -m launch.train_classifier --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.classifier import train
from launch import common

if __name__ == "__main__":
    common.main(train.run)

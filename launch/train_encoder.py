"""Trains the encoder on the trained generator.

python -m launch.train_encoder --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.encoder import train
from launch import common

if __name__ == "__main__":
    common.main(train.run)

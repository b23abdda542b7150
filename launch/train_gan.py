"""Trains StyleGAN2 on the prepared images.

python -m launch.train_gan --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.stylegan2 import train
from launch import common

if __name__ == "__main__":
    common.main(train.run)

"""Writes the images of a config to WORKDIR/data."""

from jaxstyle.data import prepare
from launch import common

if __name__ == "__main__":
    common.main(prepare.run)

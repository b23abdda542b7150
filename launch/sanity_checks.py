"""Checks that explanations depend on what f has learnt.

python -m launch.sanity_checks --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.faithfulness import sanity
from launch import common

if __name__ == "__main__":
    common.main(sanity.run)

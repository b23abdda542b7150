"""Asks a second classifier whether counterfactuals change the finding.

python -m launch.second_opinion --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.faithfulness import second_opinion
from launch import common

if __name__ == "__main__":
    common.main(second_opinion.run)

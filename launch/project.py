"""Projects images into the latent space.

python -m launch.project --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.explain import project
from launch import common

if __name__ == "__main__":
    common.main(project.run)

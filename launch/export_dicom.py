"""Writes the rendered walks as DICOM, marked as synthetic.

python -m launch.export_dicom --config=configs/ihc.py --workdir=runs/ihc
"""

from jaxstyle.clinical import export
from launch import common

if __name__ == "__main__":
    common.main(export.run)

"""A Python job: pm calls `job_report:main`, and nothing has to be installed.

    pmctl run --python job_report:main --kwargs '{"folder": "/etc"}' \
      --python-path apps/examples
"""

import os


def main(folder, suffix=""):
    """Counts the files of a folder; what it prints is its log."""
    names = [name for name in os.listdir(folder) if name.endswith(suffix)]
    print("looked at", folder)
    return {"folder": folder, "files": len(names)}

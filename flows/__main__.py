"""`python -m sluicegate.flows WORKSPACE`: serve the deployments of a workspace until stopped."""

import logging
import sys
from pathlib import Path

from sluicegate.core import SluicegateError
from sluicegate.flows.deployments import RUNBOOKS
from sluicegate.flows.orchestration.runner import serve

if __name__ == "__main__":
    logging.captureWarnings(True)
    try:
        serve(Path(sys.argv[1]), RUNBOOKS)
    except SluicegateError as error:
        sys.exit(str(error))

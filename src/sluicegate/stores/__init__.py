"""Where state lives: the workspace on disk, git, DVC and MLflow, each vendor behind one file."""

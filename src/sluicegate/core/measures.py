"""The measures of a task, the default primary one first; all are scored in checks/scoring.py."""

from .schema import Task

MEASURES: dict[Task, tuple[str, ...]] = {
    Task.CLASSIFICATION: ("accuracy", "balanced_accuracy", "log_loss", "brier"),
    Task.REGRESSION: ("mae", "rmse", "r2"),
}

"""Serving hosts, and a workspace to take champions from."""

from serving_hosts import host, promoted_template

__all__ = ["host", "promoted_template"]

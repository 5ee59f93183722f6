"""The runbooks, one per file: plain functions of a workspace that run with and without Prefect."""

"""Prefect and the processes around it: runs, forms, notices, the inbox, and process lifetimes."""

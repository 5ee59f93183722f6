"""Prefect and the processes around it: runs, forms, notices, the inbox, what must not outlive whom."""

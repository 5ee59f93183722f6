"""A rollback: serving, data, and the incident that people have to answer for."""

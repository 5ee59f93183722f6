"""Rollback: take one cause out of serving, data and models."""

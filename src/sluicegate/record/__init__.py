"""What stands in the signed record, read only."""

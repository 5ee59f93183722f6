"""The limits on honest windows of the workspace's own data."""

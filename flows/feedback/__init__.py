"""A batch: received, measured, judged and settled; released from quarantine; used to calibrate."""

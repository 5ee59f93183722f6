"""A batch: received, measured, judged, settled; released, let in, calibrated on."""

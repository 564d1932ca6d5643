"""Every declared HDHomeRun tuner in one process, and the hub beside them."""

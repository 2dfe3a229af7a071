"""Measurements: ratios of CPU time in one process at one thread, asserted; times are printed, never asserted."""

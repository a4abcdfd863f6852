"""Measurements of the control package."""

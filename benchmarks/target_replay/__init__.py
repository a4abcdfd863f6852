"""Replays message files of other targets and compares the result with a model."""

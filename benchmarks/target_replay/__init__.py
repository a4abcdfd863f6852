"""Replays the message files of other targets and compares with a model."""

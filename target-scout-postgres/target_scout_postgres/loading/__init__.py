"""One run: buffers, versions, checkpoints, and writing them to tables."""

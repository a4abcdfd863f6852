"""One run: buffers, versions, checkpoints and the tables that they fill."""

"""Background work: the worker that takes runs from the queue, and periodic maintenance."""

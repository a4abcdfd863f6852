"""The health programme whose data the sandbox serves: a pure function of a seed, of any size."""

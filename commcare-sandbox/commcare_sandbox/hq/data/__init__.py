"""Generated data of HQ: a health programme of any size, a pure function of a seed."""

"""What is read from and written to a dataset schema besides the models themselves."""

"""What can be done with each kind of thing: what the commands and the Python interface share."""

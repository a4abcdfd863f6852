"""``Scout`` for one person: what every surface without a shell is built on."""

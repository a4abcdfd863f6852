"""``scout quickstart``: what it asks, what it keeps of the answers, and what it makes of them."""

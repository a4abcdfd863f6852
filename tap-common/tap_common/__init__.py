"""What the taps on Dimagi's APIs share: login, patience, pages, state, and the command line."""

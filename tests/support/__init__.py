"""What tests of several packages share: things to use, and no tests."""

"""Encodes JSON values as rows of binary COPY, without a connection."""

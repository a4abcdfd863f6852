"""From JSON values to rows of binary COPY, without a connection."""

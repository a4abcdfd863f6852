"""From JSON values to rows of binary COPY; knows no connection."""

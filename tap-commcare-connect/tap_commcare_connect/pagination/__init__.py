"""Pagination of Connect's lists."""

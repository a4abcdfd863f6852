"""Pagination of HQ's lists."""

"""Incremental reading: bookmarks, time windows, prefetching."""

"""Reading what changed since the last run: bookmarks, windows of time, prefetching."""

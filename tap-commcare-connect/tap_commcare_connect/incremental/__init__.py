"""Reading by opportunity: bookmarks, resuming, changes since the last run."""

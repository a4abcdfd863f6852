"""The way in which Connect's lists are paged."""

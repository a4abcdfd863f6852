"""The ways in which HQ's lists are paged."""

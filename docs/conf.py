"""Configuration of Sphinx, which builds the documentation as a site: ``make docs``."""

project = "Scout Sync"
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Scout Sync"
html_copy_source = False
exclude_patterns = ["_build"]
templates_path: list[str] = []
suppress_warnings = ["myst.header"]  # reference pages open with a comment

"""From rows to a page: collect while running, merge, render."""

"""A page for each run, and one for a whole suite: one file each, which asks no network for anything.

record (what the run left) -> model (what the page says) -> render (HTML)
"""

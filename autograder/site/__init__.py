"""``./course site``: the course as a static site, from the same sources as everything else.

Sphinx makes the pages; here stand what it cannot know: lessons executed once (`executed`), the race on the front page
that moves (`moving`), and which files of the clone are pages (`pages`).
"""

"""``./course site``: build the course as a static site with Sphinx, from the same sources as the notebooks.

`execute` runs the lessons and caches their outputs, `animation` draws the animated races of the front page, and `build`
chooses the pages and runs Sphinx.
"""

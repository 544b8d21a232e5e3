"""Sphinx's configuration for the site; `./course site` assembles the pages first (autograder/site/)."""

project = "Never Block the Event Loop"
author = "the course's contributors"
html_title = project
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"  # autograder/site/execute.py has executed the lessons already
nb_ipywidgets_js = {}  # these would be fetched from another host; the course has no widgets
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["mystnb.unknown_mime_type"]

# the API reference; `name` in a docstring is code
default_role = "code"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
add_module_names = False

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = ["again.js"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "navbar_persistent": [],
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_source_button": False,
}

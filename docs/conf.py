"""Configuration of the documentation: ``sphinx-build -W docs docs/_build/html``."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# Before anything imports JAX: its modules are read here, and nothing is computed.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pages  # noqa: E402

import ibjax  # noqa: E402

project = "ibjax"
author = "the ibjax developers"
release = version = ibjax.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_show_copyright = False
html_title = f"ibjax {release}"

# Tutorials are run at every build, where they leave nothing behind.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

pages.write_pages(Path(__file__).parent / "pages")

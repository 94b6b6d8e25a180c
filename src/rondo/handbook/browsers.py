"""The browser of this machine that prints pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rondo.errors import Broken

VARIABLE = "RONDO_BROWSER"
BROWSERS = (
    "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge-stable",
    "microsoft-edge", "msedge", "brave-browser", "brave",
)  # fmt: skip
"""Programs that print pages, by the name they have on a search path."""
INSTALLED = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/Applications/Brave Browser.app/Contents/MacOS/Brave Browser",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
    "C:/Program Files/Microsoft/Edge/Application/msedge.exe",
)
INSTALL = (
    "Install Chromium (Debian and Ubuntu: `apt-get install chromium`), or name a browser of its family in "
    f"{VARIABLE}; HTML needs none."
)


def find_browser(environment: Mapping[str, str] | None = None) -> Path:
    """The browser that prints: the one that RONDO_BROWSER names, or the first of Chromium's family found here.

    Raises Broken with what to install where there is none.
    """
    named = (os.environ if environment is None else environment).get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise Broken(f"{VARIABLE} names {named!r}, which is no program here.", next_step=INSTALL)
        return Path(found)
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    found = found or next((path for path in INSTALLED if Path(path).is_file()), None)
    if found is None:
        raise Broken("A browser prints the PDF, and no Chromium, Chrome, Edge or Brave is here.", next_step=INSTALL)
    return Path(found)

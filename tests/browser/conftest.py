"""A shop with a replayed spring behind it, its console as a real server, and a real headless Chromium that looks at it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from rondo.loop.comparing import compare_whole
from rondo.loop.replaying import replay
from rondo.loop.workplace import open_workplace
from rondo.project.moments import parse_moment

ZONE = "Europe/Berlin"
STATE = "spring"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PEOPLE = """
[people.mia]
name = "Mia Sol"
contact = "mia@example.com"
roles = ["data_engineer", "data_scientist"]

[people.product_manager]
name = "Pat Lind"
contact = "pat@example.com"
"""
USE = """---
kind: use
title: Will this visit be late?
---
For the people at the desk.
"""


@dataclass
class Site:
    """A console at work on a replayed state."""

    url: str
    root: Path

    @property
    def ledger(self):
        return open_workplace(self.root, state=STATE, readonly=True).store.ledger


def _axe() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None, "axe is missing: install what `make test` installs"
    return (Path(found.origin).parent / "axe.min.js").read_text("utf-8")


class Browser:
    """Chromium as a reader has it: opens pages of a site, and tells what it complains of."""

    def __init__(self, driver: webdriver.Chrome, site: Site) -> None:
        self.driver, self.site = driver, site

    def open(self, path: str, code: str = "en") -> None:
        """Loads a page in a language and waits for its charts."""
        joint = "&" if "?" in path else "?"
        path, hash_, fragment = path.partition("#")
        self.driver.get(f"{self.site.url}{path}{joint}lang={code}{hash_}{fragment}")
        self.settled()

    def settled(self) -> None:
        """Waits until every chart is drawn."""
        script = (
            "return document.readyState === 'complete' && "
            "(!document.querySelector('[data-spec]') || 'drawn' in document.documentElement.dataset)"
        )
        WebDriverWait(self.driver, 30).until(lambda driver: driver.execute_script(script))

    def complaints(self) -> list[str]:
        """What the browser has logged since it was last asked: errors and warnings."""
        return [f"{each['level']}: {each['message']}" for each in self.driver.get_log("browser")]

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page by WCAG 2.2, levels A and AA."""
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
            ".then(result => done(result.violations));"
        )
        return [
            f"{each['id']} ({each['impact']}): {each['help']}: " + "; ".join(n["html"][:160] for n in each["nodes"][:3])
            for each in found
        ]

    def narrow(self, width: int = 380, height: int = 780) -> None:
        """A telephone."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True},
        )

    def wide(self) -> None:
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def dark(self, *, on: bool = True) -> None:
        scheme = "dark" if on else "light"
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def run(self, script: str, *values: object) -> Any:
        return self.driver.execute_script(script, *values)


AXE = ""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, long_shop_files: Mapping[str, str]) -> Iterator[Site]:
    """Loads stop on 3 March, and are wanted every six hours: an alert and its incident stand open."""
    files = dict(long_shop_files)
    files["rondo.toml"] += PEOPLE
    files["sources.py"] = files["sources.py"].replace('interval 30 minute"', 'interval 30 minute", fresh="6h"')
    header, *lines = files["data/loads_2.csv"].splitlines(keepends=True)
    files["data/loads_2.csv"] = header + "".join(line for line in lines if line.split(",")[1] < "2024-03-03")
    files["use/late.md"] = USE
    root = tmp_path_factory.mktemp("site") / "shop"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    replay(root, STATE, parse_moment("2024-02-19", ZONE, side="start"), parse_moment("2024-03-06", ZONE, side="end"))
    work = open_workplace(root, state=STATE, by="mia")
    compare_whole(work, ("late", 2), ("late", 1), "march")
    command = [sys.executable, "-m", "rondo.cli", "console", "--port", "0", "--state", STATE, "--by", "mia"]
    with subprocess.Popen([*command, "--project", str(root)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Site(json.loads(process.stdout.readline())["url"], root)
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium with its driver. Where `make test` may not install them, these tests are skipped; not in CI."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    steered = shutil.which("chromedriver")
    if program is None or steered is None or importlib.util.find_spec("axe_playwright_python") is None:
        assert not os.environ.get("CI"), "CI needs chromium, chromium-driver and axe: `make test` installs them as root"
        pytest.skip("no chromium with its driver here: `make test` installs them as root")
    global AXE
    AXE = _axe()
    options = Options()
    options.binary_location = program
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1280,900", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(steered))
    try:
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture
def browser(driver: webdriver.Chrome, site: Site) -> Browser:
    """A browser with nothing left over from the test before."""
    found = Browser(driver, site)
    driver.get("about:blank")
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    found.wide()
    found.dark(on=False)
    found.complaints()
    return found

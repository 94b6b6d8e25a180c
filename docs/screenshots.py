"""Pictures of the console for docs/images/, in both languages, from a project as it is.

After `make demo ONCE=1` and, in demo/flights, `rondo replay year --from 2013-03-01 --to 2013-12-31`:

    python docs/screenshots.py demo/flights --state year

Needs Chromium with its driver, as the tests do. Writes WebP, 1280 units wide, the top of each page.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

IMAGES = Path(__file__).parent / "images"
WIDTH, TALLEST, NARROW = 1280, 1500, 380
QUALITY = 72
# What is after an arrow is the first link of that shape on the page before it.
PAGES = {
    "loop": "/",
    "tables": "/tables",
    "table": "/tables/departures",
    "models": "/models",
    "version": "/models/late",
    "compare": "/compare",
    "live": "/live/late",
    "prediction": "/live/late -> /predictions/",
    "incidents": "/incidents",
    "incident": "/incidents -> /incidents/",
    "reports": "/reports",
    "report": "/reports/for_everyone",
    "handbook": "/handbook",
    "team": "/team",
    "document": "/docs/prd",
    "use": "/use/late",
}
DRAWN = (
    "return document.readyState === 'complete' && "
    "(!document.querySelector('[data-spec]') || 'drawn' in document.documentElement.dataset)"
)


def main() -> None:
    """Take them all, or those that are named."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("project", type=Path)
    asked.add_argument("--state", default="live")
    asked.add_argument("--only", nargs="*", choices=PAGES, default=list(PAGES))
    given = asked.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with _console(given.project, given.state) as url, _browser() as browser:
        for name in given.only:
            address = _address(url, PAGES[name])
            for code in ("en", "ko"):
                picture = _picture(browser, f"{url}{address}{'&' if '?' in address else '?'}lang={code}", WIDTH)
                (IMAGES / f"{name}.{code}.webp").write_bytes(picture)
            print(f"{name:12} {address}", flush=True)
        (IMAGES / "narrow.en.webp").write_bytes(_picture(browser, f"{url}/?lang=en", NARROW))
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        )
        (IMAGES / "dark.en.webp").write_bytes(_picture(browser, f"{url}/live/late?lang=en", WIDTH))


def _address(url: str, path: str) -> str:
    page, _, shape = path.partition(" -> ")
    if not shape:
        return path
    with urlopen(url + page) as answer:
        links = re.findall(rf'href="({re.escape(shape)}[^"?#]+)', answer.read().decode())
    if not links:
        sys.exit(f"{page} has no link to {shape}: nothing of the kind has happened in this project yet.")
    return str(links[0])


def _picture(browser: webdriver.Chrome, address: str, width: int) -> bytes:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == NARROW}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(address)
    WebDriverWait(browser, 60).until(lambda found: found.execute_script(DRAWN))
    tall = min(int(browser.execute_script("return document.documentElement.scrollHeight")), TALLEST)
    clip = {"x": 0, "y": 0, "width": width, "height": tall, "scale": 1}
    taken = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": clip}
    )
    return base64.b64decode(taken["data"])


@contextmanager
def _console(project: Path, state: str) -> Iterator[str]:
    command = [sys.executable, "-m", "rondo.cli", "console", "--port", "0", "--project", str(project), "--state", state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()


@contextmanager
def _browser() -> Iterator[webdriver.Chrome]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        sys.exit("Pictures need Chromium with its driver: apt-get install chromium chromium-driver.")
    options = Options()
    options.binary_location = program
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


if __name__ == "__main__":
    main()

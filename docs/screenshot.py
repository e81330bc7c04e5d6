"""Takes the picture of the dashboard in the README: ``python -m docs.screenshot``, after ``make demo``."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

_ROOT = Path(__file__).resolve().parent.parent
_FILE = _ROOT / "docs" / "images" / "dashboard.png"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LONGEST_LOAD_MILLISECONDS = 60_000


def launch(playwright: Playwright) -> Browser:
    """Start the Chromium or Chrome that is installed, without a window.

    Raises:
        FileNotFoundError: there is none.
    """
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise FileNotFoundError(f"there is no {', '.join(_BROWSERS)} on PATH; install Chromium or Chrome: make setup")
    # The browser's own sandbox cannot be set up by root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=found, args=arguments)


def settled(page: Page) -> None:
    """Wait until every widget shows what it was asked for."""
    expect(page.locator("main > section").first).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=_LONGEST_LOAD_MILLISECONDS)


def main(stack: str) -> None:
    """Take the picture of a stack's dashboard."""
    command = [sys.executable, "-m", "sandbox", "look", "-s", stack, "--no-browser"]
    running = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        found = re.search(r"http://\S+", running.stdout.readline() if running.stdout else "")
        if found is None:
            raise SystemExit("the dashboard cannot be looked at; run make demo first")
        _FILE.parent.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            browser = launch(playwright)
            page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
            page.goto(found[0])
            settled(page)
            page.screenshot(path=_FILE)
            browser.close()
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()


if __name__ == "__main__":
    main(sys.argv[1])

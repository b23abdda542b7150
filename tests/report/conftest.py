"""A run folder with a page, and a real browser to look at it."""

import os
import shutil
from pathlib import Path

import pytest

from jaxstyle.report import build
from tests.report import fake_comparisons, fake_run

LONG = "osteoarthritis_grade_2_or_more_in_either_compartment_of_the_knee"
EVIL = "</script><script>window.evil=1</script><img src=x onerror=evil=1>&amp;"


@pytest.fixture(scope="session")
def page(tmp_path_factory) -> Path:
    """The page of nine images, 32 px, with all that a page may have."""
    root = tmp_path_factory.mktemp("run")
    settings = fake_run.config(images=9)
    fake_run.make(root, settings)
    fake_comparisons.make(root, settings)
    build.run(settings, root)
    return root / "report" / "index.html"


@pytest.fixture(scope="session")
def evil_page(tmp_path_factory) -> Path:
    """A page whose every text tries to break out of its place."""
    root = tmp_path_factory.mktemp("evil")
    settings = fake_run.config(images=4, title=EVIL)
    settings.name = EVIL
    settings.data.class_names = (LONG, EVIL)
    fake_run.make(root, settings, images=4, grad_cam=False, failed_status=EVIL)
    build.run(settings, root)
    return root / "report" / "index.html"


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Headless Chromium, driven over WebDriver."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        missing = "needs chromium and chromedriver (apt-get install both)"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()

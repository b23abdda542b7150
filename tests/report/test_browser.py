"""The page in a real Chromium, opened from the file system."""

import csv

import numpy as np
import pytest
from PIL import Image

from jaxstyle.report import build, colours
from tests.report import fake_run
from tests.report.conftest import LONG

# Through a second canvas: reading the page's own makes Chromium warn.
READ_CANVAS = """
const canvas = arguments[0];
const copy = new OffscreenCanvas(canvas.width, canvas.height);
const context = copy.getContext("2d", { willReadFrequently: true });
context.drawImage(canvas, 0, 0);
const area = context.getImageData(0, 0, canvas.width, canvas.height);
return [canvas.height, canvas.width, Array.from(area.data)];
"""
OVERFLOWING = """
return [...document.querySelectorAll("body *")].filter((element) =>
  element.getBoundingClientRect().right > arguments[0] + 0.5
  && !element.closest(".scroll")).map((element) => element.outerHTML);
"""


@pytest.fixture(autouse=True)
def _settled(browser):
    """Each test starts wide and light, and must leave a clean console."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get_log("browser")
    yield
    assert browser.get_log("browser") == []


def _open(browser, page):
    browser.get(page.as_uri())


def _width(browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": 844,
            "deviceScaleFactor": 2,
            "mobile": True,
        },
    )


def _card(browser, name):
    card = browser.find_element("css selector", f'[data-id="{name}"]')
    browser.execute_script(
        "arguments[0].scrollIntoView()",
        card,
    )
    return card


def _part(card, selector):
    return card.find_element("css selector", selector)


def _wait(browser, card, index):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(
        lambda _: card.get_attribute("data-shown") == str(index)
    )


def _pixels(browser, canvas):
    height, width, data = browser.execute_script(READ_CANVAS, canvas)
    return np.asarray(data, np.uint8).reshape(height, width, 4)


def _float(path):
    with Image.open(path) as image:
        levels = np.asarray(image.convert("RGB"), np.float32)
    return levels / np.float32(127.5) - np.float32(1)


def _rows(page, name):
    with (page.parents[1] / "render" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def _frames(page, name):
    rows = _rows(page, "manifest.csv")
    return [row for row in rows if row["image_id"] == name]


def _shows(card, row):
    """Whether every reading of the card agrees with a manifest row."""
    index, f = int(row["frame"]), float(row["predictor_probability"])
    decision = ("stain-negative", "stain-positive")[f >= 0.5]
    assert _part(card, ".frame-name").text == f"Frame {index + 1} of 9"
    assert _part(card, ".frame-value").text == f"f = {f:.3f}, {decision}"
    readout = _part(card, ".readout").text
    size = abs(float(row["lambda"]))
    assert f"{size:.2f}" in readout
    assert f"{100 * float(row['distance']):.1f}%" in readout
    assert ("decision flipped" in readout) == (row["flipped"] == "1")
    assert _part(card, ".now").get_attribute("x1") == str(index)
    spoken = _part(card, "input").get_attribute("aria-valuetext")
    assert f"{f:.3f}" in spoken


@pytest.mark.parametrize("name", ["tile_0000", "tile_0001", "tile_0003"])
def test_every_frame_and_its_difference(browser, page, name):
    _open(browser, page)
    card = _card(browser, name)
    slider = _part(card, "input")
    rows = _frames(page, name)
    folder = page.parents[1] / "render"
    reference = _float(folder / f"frames/{name}/reconstruction.png")
    from selenium.webdriver.common.keys import Keys

    slider.send_keys(Keys.HOME)
    for row in rows:
        _wait(browser, card, row["frame"])
        _shows(card, row)
        frame = _float(folder / row["file"])
        shown = _pixels(browser, _part(card, ".frame"))
        np.testing.assert_array_equal(shown[..., :3], colours.to_rgb(frame))
        painted = _pixels(browser, _part(card, ".difference"))
        expected = colours.difference_map(frame, reference).astype(int)
        # float32 files of Python may round one step of the table apart.
        assert np.abs(painted[..., :3] - expected).max() <= 4
        assert (painted[..., 3] == 255).all()
        slider.send_keys(Keys.ARROW_RIGHT)


def test_difference_is_there_at_the_flip_and_zero_at_lambda_zero(browser, page):
    _open(browser, page)
    neutral = colours.diverging_table()[127]
    for row in _rows(page, "images.csv")[:3]:
        card = _card(browser, row["image_id"])
        _wait(browser, card, row["flip_frame"])
        canvas = _part(card, ".difference")
        at_flip = _pixels(browser, canvas)[..., :3]
        assert (at_flip != neutral).any(-1).mean() > 0.5
        jump = f'button[data-frame="{row["reconstruction_frame"]}"]'
        browser.execute_script("arguments[0].click()", _part(card, jump))
        _wait(browser, card, row["reconstruction_frame"])
        assert (_pixels(browser, canvas)[..., :3] == neutral).all()


def test_arrows_move_the_slider_and_letters_the_card(browser, page):
    from selenium.webdriver.common.keys import Keys

    _open(browser, page)
    cards = browser.find_elements("css selector", ".card")
    body = _part(browser, "body")
    body.send_keys("j")
    for number, key in ((0, "j"), (1, "j"), (2, "k"), (1, "k")):
        focused = browser.switch_to.active_element
        assert focused == _part(cards[number], "input")
        before = int(focused.get_attribute("value"))
        focused.send_keys(Keys.ARROW_LEFT)
        _wait(browser, cards[number], before - 1)
        focused.send_keys(Keys.ARROW_RIGHT)
        _wait(browser, cards[number], before)
        focused.send_keys(key)
    assert browser.switch_to.active_element == _part(cards[0], "input")


def test_a_walk_without_flip_offers_none(browser, page):
    _open(browser, page)
    card = _card(browser, "tile_0003")
    _wait(browser, card, 0)
    story = _part(card, ".story").text
    assert story.endswith(", but: no flip inside the trust limit.")
    badge = _part(card, ".trust").text
    assert badge == "not explained no flip inside the trust limit"
    buttons = card.find_elements("css selector", "button")
    assert [b.is_enabled() for b in buttons] == [True, False]


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
@pytest.mark.parametrize("which", ["page", "evil_page"])
def test_no_overflow(browser, request, which, width):
    _width(browser, width)
    _open(browser, request.getfixturevalue(which))
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    outside = browser.execute_script(OVERFLOWING, width)
    assert outside == []
    assert wide <= width


def test_wide_tables_and_pictures_scroll_in_their_own_box(browser, page):
    from selenium.webdriver.support.ui import WebDriverWait

    _width(browser, 390)
    _open(browser, page)
    section = browser.find_element("id", "compare_directions")
    table, picture = section.find_elements("css selector", ".scroll")
    for box in (table, picture):
        # As far as it goes; the name of the row stays where it can be read.
        browser.execute_script("arguments[0].scrollIntoView()", box)
        beyond = browser.execute_script(
            "arguments[0].scrollLeft = 1e6; return arguments[0].scrollLeft", box
        )
        assert beyond > 100
        assert box.rect["x"] + box.rect["width"] <= 390
    head, caption = _part(table, "tbody th"), _part(table, "caption span")
    for shown in (head, caption):
        assert shown.rect["x"] == pytest.approx(table.rect["x"], abs=1)
        assert shown.rect["x"] + shown.rect["width"] <= 390
    image = _part(picture, "img")
    assert image.rect["width"] >= 900
    shape = "return arguments[0].naturalHeight / arguments[0].naturalWidth"
    # It is loaded when it comes near; cards above grow when they are drawn.
    come = "arguments[0].scrollIntoView(); return arguments[0].naturalWidth"
    WebDriverWait(browser, 20).until(
        lambda _: browser.execute_script(come, image)
    )
    assert image.rect["height"] / image.rect["width"] == pytest.approx(
        browser.execute_script(shape, image), rel=1e-2
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_the_menu_leads_to_every_section(browser, page, width):
    """Though cards on the way there are not drawn, and grow when they are."""
    from selenium.webdriver.support.ui import WebDriverWait

    _width(browser, width)
    _open(browser, page)
    margin = 16
    top = "return arguments[0].getBoundingClientRect().top"
    links = browser.find_elements("css selector", "nav a")
    assert len(links) == 7
    for link in links:
        _, name = link.get_attribute("href").split("#")
        browser.execute_script("arguments[0].click()", link)
        heading = browser.find_element("css selector", f"#{name} h2")
        assert heading.text == link.get_attribute("textContent")
        WebDriverWait(browser, 5).until(
            lambda _, at=heading: (
                abs(browser.execute_script(top, at) - margin) < 2
            )
        )


CONTRAST = """
const channel = (value) => {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
};
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) =>
  0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (element) => {
  const colour = numbers(getComputedStyle(element).backgroundColor);
  return colour[3] === 0 ? behind(element.parentElement) : colour;
};
return [...document.querySelectorAll(arguments[0])].map((element) => {
  const pair = [numbers(getComputedStyle(element).color), behind(element)];
  const [low, high] = pair.map(luminance).sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(browser, page, scheme):
    """Contrast of WCAG 2.2, success criterion 1.4.3."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    _open(browser, page)
    for selector in (
        *(".tag", ".tag.own", ".interval", ".note", ".columns dd"),
        *(".ranking code", ".ranking th", ".numbers thead th", ".aside"),
        *("caption", ".tile figcaption", ".level"),
    ):
        ratios = browser.execute_script(CONTRAST, selector)
        assert ratios and min(ratios) >= 4.5, selector


def test_slider_lines_up_with_the_plot(browser, page):
    _open(browser, page)
    card = _card(browser, "tile_0000")
    slider, plot = _part(card, "input"), _part(card, ".plot svg")
    thumb = 18
    assert plot.rect["x"] == pytest.approx(slider.rect["x"] + thumb / 2, abs=1)
    assert plot.rect["width"] == pytest.approx(
        slider.rect["width"] - thumb, abs=1
    )


def test_a_browser_that_blurs_pixels_gets_no_difference_map(browser, page):
    blur = """
        const read = CanvasRenderingContext2D.prototype.getImageData;
        CanvasRenderingContext2D.prototype.getImageData = function (...box) {
          const area = read.apply(this, box);
          area.data[0] ^= 1;
          return area;
        };
    """
    script = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": blur}
    )
    try:
        _open(browser, page)
        card = _card(browser, "tile_0000")
        _wait(browser, card, _part(card, "input").get_attribute("value"))
        size = "return [arguments[0].width, arguments[0].height]"
        drawn = browser.execute_script(size, _part(card, ".frame"))
        blank = browser.execute_script(size, _part(card, ".difference"))
        assert (drawn, blank) == ([32, 32], [300, 150])
        warning = _part(browser, ".pixel-warning")
        assert warning.is_displayed()
    finally:
        browser.execute_cdp_cmd(
            "Page.removeScriptToEvaluateOnNewDocument", script
        )
    _open(browser, page)
    assert not _part(browser, ".pixel-warning").is_displayed()


def test_light_and_dark(browser, page):
    def background():
        return browser.execute_script(
            "return getComputedStyle(document.body).backgroundColor"
        )

    _open(browser, page)
    for scheme, expected in (
        ("light", "rgb(255, 255, 255)"),
        ("dark", "rgb(18, 21, 26)"),
    ):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        assert background() == expected


def test_nothing_is_fetched(browser, page):
    _open(browser, page)
    fetched = browser.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name)"
    )
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_text_from_data_runs_nothing(browser, evil_page):
    _open(browser, evil_page)
    assert browser.execute_script("return window.evil") is None
    assert len(browser.find_elements("css selector", ".card")) == 4
    for image in browser.find_elements("css selector", "img"):
        assert image.get_attribute("src").startswith("data:")
    card = _card(browser, "tile_0000")
    _wait(browser, card, _rows(evil_page, "images.csv")[0]["flip_frame"])
    assert LONG in _part(card, ".story").text
    assert fake_run.FRAMES == 9


def _visible(browser):
    return [
        card.get_attribute("data-id")
        for card in browser.find_elements("css selector", ".card")
        if card.is_displayed()
    ]


def test_menus_choose_what_is_shown(browser, page):
    from selenium.webdriver.support.ui import Select

    _open(browser, page)
    rows = {row["image_id"]: row for row in _rows(page, "images.csv")}
    form = browser.find_element("css selector", ".filters")
    status = _part(form, "[role=status]")
    assert sorted(_visible(browser)) == sorted(rows)
    for name, value, keeps in (
        ("outcome", "failed", lambda row: row["flipped"] == "0"),
        ("outcome", "flipped", lambda row: row["flipped"] == "1"),
        ("decision", "1", lambda row: row["decision"] == "1"),
        ("trust", "not explained", lambda row: row["flipped"] == "0"),
    ):
        menu = Select(_part(form, f"select[name={name}]"))
        menu.select_by_value(value)
        expected = sorted(n for n, row in rows.items() if keeps(row))
        assert 0 < len(expected) < len(rows)
        assert sorted(_visible(browser)) == expected
        assert status.text == f"{len(expected)} of {len(rows)} images"
        menu.select_by_value("")
    # Together, and headings of empty kinds go, too.
    Select(_part(form, "select[name=outcome]")).select_by_value("failed")
    Select(_part(form, "select[name=decision]")).select_by_value("0")
    assert _visible(browser) == []
    kinds = browser.find_elements("css selector", "[data-kind]")
    assert kinds and not any(kind.is_displayed() for kind in kinds)


def test_letters_skip_what_is_hidden(browser, page):
    from selenium.webdriver.support.ui import Select

    _open(browser, page)
    form = browser.find_element("css selector", ".filters")
    Select(_part(form, "select[name=decision]")).select_by_value("1")
    shown = _visible(browser)
    browser.execute_script("document.activeElement.blur()")
    seen = []
    for _ in shown:
        browser.switch_to.active_element.send_keys("j")
        card = browser.switch_to.active_element.find_element(
            "xpath", "ancestor::article"
        )
        seen.append(card.get_attribute("data-id"))
    assert seen == shown


def test_the_mark_stands_over_the_smallest_flip(browser, page):
    _open(browser, page)
    card = _card(browser, "tile_0000")
    flip = next(row for row in _rows(page, "images.csv") if row["flip_frame"])
    assert flip["image_id"] == "tile_0000"
    slider, mark = _part(card, "input"), _part(card, ".mark")
    thumb = 18
    way = int(flip["flip_frame"]) / (fake_run.FRAMES - 1)
    x = slider.rect["x"] + thumb / 2 + way * (slider.rect["width"] - thumb)
    assert mark.rect["x"] + mark.rect["width"] / 2 == pytest.approx(x, abs=1)
    assert not _card(browser, "tile_0003").find_elements(
        "css selector", ".mark"
    )


def test_hundreds_of_images_cost_nothing_until_they_are_near(browser, tmp_path):
    settings = fake_run.config(images=200)
    fake_run.make(tmp_path, settings, images=200)
    build.run(settings, tmp_path)
    _open(browser, tmp_path / "report" / "index.html")
    cards = browser.find_elements("css selector", ".card")
    assert len(cards) == 200
    first = _card(browser, cards[0].get_attribute("data-id"))
    _wait(browser, first, _part(first, "input").get_attribute("value"))
    drawn = browser.find_elements("css selector", ".card[data-shown]")
    assert 1 <= len(drawn) <= 6
    last = _card(browser, cards[-1].get_attribute("data-id"))
    _wait(browser, last, _part(last, "input").get_attribute("value"))

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from rondo.console.addresses import ADDRESSES
from rondo.deploy.rollout import roles
from rondo.loop.workplace import open_workplace
from rondo.records.monitoring import Alert, Incident
from rondo.records.team import Decision

PAGES = (
    "/",
    "/tables",
    "/tables/visits",
    "/tables/loads?column=load",
    "/models",
    "/models/late",
    "/models/late/1",
    "/models/late/2",
    "/compare?a=late@2&b=late@1&on=march",
    "/live",
    "/live/late",
    "/live/late/try",
    "/incidents",
    "/incidents/{incident}",
    "/alerts/{alert}",
    "/predictions/{prediction}",
    "/reports",
    "/handbook",
    "/team",
    "/docs",
    "/docs/prd",
    "/cards/data",
    "/cards/model/late",
    "/search?q=late",
    "/as-of",
    "/use/late",
    "/nothing-here",
)
"""Every address, with names of the site filled in."""


@pytest.fixture(scope="session")
def named(site) -> dict[str, str]:
    """What is in braces above."""
    given = open_workplace(site.root, state="spring").catalog.query("select id from predictions.late limit 1")
    return {
        "incident": site.ledger.latest(Incident).record.id,
        "alert": site.ledger.latest(Alert).record.id,
        "prediction": given.rows.column("id")[0].as_py(),
    }


def test_no_address_of_the_console_is_left_out() -> None:
    shapes = {page.partition("?")[0].count("/"): 0 for page in PAGES}
    assert shapes
    tried = {page.partition("?")[0].strip("/").partition("/")[0] for page in PAGES}
    assert {address.path.strip("/").partition("/")[0] for address in ADDRESSES} <= tried


@pytest.mark.parametrize("code", ["en", "ko"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_errors_and_is_accessible(browser, named: dict[str, str], page: str, code: str) -> None:
    browser.open(page.format(**named), code)
    complaints = [each for each in browser.complaints() if not (page == "/nothing-here" and "404" in each)]
    assert complaints == []
    assert browser.run("return document.documentElement.lang") == code
    assert len(browser.driver.find_elements(By.TAG_NAME, "h1")) == 1
    assert browser.violations() == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_a_telephone_in_the_dark(browser, named: dict[str, str], page: str) -> None:
    browser.narrow()
    browser.dark()
    browser.open(page.format(**named), "ko")
    assert browser.run("return document.documentElement.scrollWidth") <= 380, "it scrolls sideways"
    ground = browser.run(
        "return getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).backgroundColor"
    )
    assert "rgb(23, 24, 27)" in ground
    assert [each for each in browser.violations() if "contrast" in each] == []


def test_a_reader_finds_the_way_by_keyboard_alone(browser) -> None:
    browser.open("/")
    active = browser.driver.switch_to.active_element
    active.send_keys(Keys.TAB)
    skip = browser.driver.switch_to.active_element
    assert (skip.text, skip.get_attribute("href")[-5:]) == ("Skip to content", "#main")
    for _ in range(40):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        at = browser.driver.switch_to.active_element
        assert browser.run("return getComputedStyle(arguments[0]).outlineStyle", at) != "none", at.get_attribute(
            "outerHTML"
        )
        if at.text == "Models":
            break
    at.send_keys(Keys.ENTER)
    WebDriverWait(browser.driver, 10).until(lambda driver: driver.current_url.endswith("/models"))


def test_search_finds_a_column_from_every_page(browser) -> None:
    browser.open("/team")
    field = browser.driver.find_element(By.ID, "search")
    field.send_keys("loads" + Keys.ENTER)
    WebDriverWait(browser.driver, 10).until(lambda driver: "/search" in driver.current_url)
    assert browser.driver.find_elements(By.CSS_SELECTOR, 'main a[href^="/tables/loads"]')


def press(browser, label: str, because: str | None = None) -> None:
    """Opens the dialog of an action, gives the reason, and does it."""
    button = next(
        each for each in browser.driver.find_elements(By.CSS_SELECTOR, "button[data-dialog]") if each.text == label
    )
    browser.run("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    dialog = browser.driver.find_element(By.CSS_SELECTOR, "dialog[open]")
    assert dialog.find_element(By.CSS_SELECTOR, ".command code").text.startswith("rondo ")
    assert browser.violations() == []
    if because is not None:
        dialog.find_element(By.NAME, "because").send_keys(because)
    dialog.find_elements(By.CSS_SELECTOR, "menu button")[-1].click()
    WebDriverWait(browser.driver, 20).until(lambda driver: not driver.find_elements(By.CSS_SELECTOR, "dialog[open]"))
    browser.settled()


def test_promote_and_roll_back(browser, site) -> None:
    at_work = roles(site.ledger, "late")["production"].record.version
    other = 3 - at_work
    browser.open(f"/models/late/{other}")
    labels = [each.text for each in browser.driver.find_elements(By.CSS_SELECTOR, "button[data-dialog]")]
    promote = next(each for each in labels if each.startswith("Promote") or "production" in each)
    press(browser, promote, "the desk asked for it")
    assert roles(site.ledger, "late")["production"].record.version == other
    assert site.ledger.latest(Decision).record.why == "the desk asked for it"
    browser.open(f"/models/late/{other}")
    labels = [each.text for each in browser.driver.find_elements(By.CSS_SELECTOR, "button[data-dialog]")]
    press(browser, next(each for each in labels if each.startswith("Roll back")), "it was a mistake")
    assert roles(site.ledger, "late")["production"].record.version == at_work
    assert browser.complaints() == []


def test_somebody_who_never_opened_the_console_gets_an_answer(browser) -> None:
    browser.narrow()
    browser.open("/use/late")
    form = browser.driver.find_element(By.TAG_NAME, "form")
    for select in form.find_elements(By.TAG_NAME, "select"):
        Select(select).select_by_index(1)
    for field in form.find_elements(By.CSS_SELECTOR, "input[type=number]"):
        field.send_keys("1")
    form.find_element(By.TAG_NAME, "button").click()
    WebDriverWait(browser.driver, 20).until(lambda driver: "?id=" in driver.current_url)
    said = browser.driver.find_element(By.CSS_SELECTOR, ".answer").text
    assert "Of 100 cases like this one" in said
    assert browser.violations() == []
    assert browser.complaints() == []


def test_without_script_the_numbers_are_there(browser, site) -> None:
    import httpx

    page = httpx.get(f"{site.url}/live/late").text
    assert "<noscript>" in page
    assert page.count("<details>") <= page.count("<summary>")


def test_a_saved_page_opens_from_a_file_without_a_word_to_anybody(browser, site, tmp_path) -> None:
    import httpx

    file = tmp_path / "loop.html"
    file.write_text(httpx.get(f"{site.url}/?format=html").text, encoding="utf-8")
    browser.driver.get(file.as_uri())
    assert browser.complaints() == []
    assert (
        browser.run("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length")
        == 0
    )
    assert browser.driver.find_elements(By.CSS_SELECTOR, "figure svg")

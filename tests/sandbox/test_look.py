"""The dashboard in a real browser: ``python -m ops look`` on the sandbox. Tests run in order."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

from docs.screenshot import launch, settled
from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.sandbox import archive_of_events as archive
from tests.sandbox.archive_of_events import HOSTILE, SENDERS, Events, config
from tests.sandbox.stacks import Stacks

expect.set_options(timeout=30_000)
MANAGEMENT = "arn:aws:iam::999999999999:root"
"""Who the sandbox's commands are."""


@pytest.fixture(scope="module")
def events(stacks: Stacks) -> Events:
    given = config(readers=[MANAGEMENT])
    prepare([stacks.write(given)], stacks.instance.environment())
    stacks.up("archive", given)
    written = Events(stacks, stacks.outputs("archive")["bucket"])
    written.fill()
    return written


@pytest.fixture(scope="module")
def address(events: Events) -> Iterator[str]:
    stacks = events.stacks
    given = stacks.write(config(readers=[MANAGEMENT]))
    with subprocess.Popen(
        [sys.executable, "-m", "ops", "look", "-s", "archive", "--no-browser", "--config-file", str(given)],
        cwd=ROOT, env={**stacks.environment, "COLUMNS": "200"}, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+/", running.stdout.readline() if running.stdout else "")
        assert found is not None
        yield found[0]
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = launch(playwright)
        yield running
        running.close()


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    """Every request of every page."""
    return []


@pytest.fixture
def page(browser: Browser, address: str, requests: list[Request]) -> Iterator[Page]:
    context = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900})
    context.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - no builtin is taken
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.goto(address)
    settled(opened)
    yield opened
    context.close()
    assert failures == []


def widget(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def controls(page: Page) -> Locator:
    return page.get_by_role("form", name="What to show")


def popup(page: Page) -> Locator:
    return page.locator("dialog[open]:not([aria-busy])")


def rows(place: Locator, caption: str) -> list[list[str]]:
    table = place.get_by_role("table", name=caption, exact=True)
    expect(table).to_be_visible()
    lines = table.locator("tbody tr")
    return [line.locator("td").all_inner_texts() for line in lines.all()]


def test_numbers_on_the_page_are_those_of_the_events(page: Page, events: Events) -> None:
    overview = widget(page, "What arrived")
    expect(overview.get_by_role("button", name=f"{events.count()}: requests", exact=True)).to_be_visible()
    expect(overview.get_by_role("button", name=f"{events.count(action='BLOCK')}: blocked requests")).to_be_visible()
    expect(overview.get_by_role("button", name=f"{events.total}: events", exact=True)).to_be_visible()
    expect(overview).to_contain_text(f"No event from: {archive.SILENT}")
    by_account = {row[0].strip(): row[1:] for row in rows(widget(page, "AWS WAF"), "Account")}
    assert by_account == {
        account: [str(events.count(account=account)), str(events.count(account=account, action="BLOCK"))]
        for account in SENDERS
    }


def test_account_and_time_range_apply_to_all_widgets(page: Page, events: Events) -> None:
    controls(page).get_by_label("Account").select_option(SENDERS[0])
    settled(page)
    number = events.count(account=SENDERS[0])
    expect(widget(page, "AWS WAF").get_by_role("button", name=f"{number}: requests", exact=True)).to_be_visible()
    assert [row[1] for row in rows(widget(page, "Volume"), "Events and characters by log group")] == [SENDERS[0]] * 2
    controls(page).get_by_label("Time range").select_option("absolute")
    begin, end = events.now - timedelta(minutes=110), events.now - timedelta(minutes=90)
    controls(page).get_by_label("From (UTC)").fill(f"{begin:%Y-%m-%dT%H:%M}")
    controls(page).get_by_label("To (UTC)").fill(f"{end:%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Refresh").click()
    settled(page)
    expect(widget(page, "AWS WAF").get_by_role("button", name="25: requests", exact=True)).to_be_visible()


def test_an_account_in_a_widget_filters_it_and_a_number_leads_to_its_events_and_to_one_whole(
    page: Page, events: Events
) -> None:
    overview = widget(page, "What arrived")
    overview.get_by_role("button", name=f"only account {SENDERS[1]}").click()
    settled(page)
    blocked = events.count(account=SENDERS[1], action="BLOCK")
    overview.get_by_role("button", name=f"{blocked}: blocked requests").click()
    assert {(row[1], row[3]) for row in rows(popup(page), "Requests; the latest first")} == {(SENDERS[1], "BLOCK")}
    popup(page).get_by_role("button", name="only country DE").first.click()
    expect(popup(page).get_by_role("button", name="without country DE")).to_be_visible()
    popup(page).get_by_role("button", name=re.compile("^the event of")).first.click()
    expect(popup(page).locator("pre").first).to_contain_text('"country": "DE"')
    popup(page).get_by_role("button", name="Back").click()
    expect(popup(page).get_by_role("table", name="Requests; the latest first")).to_be_visible()
    page.keyboard.press("Escape")
    expect(popup(page)).to_have_count(0)


def test_a_search_by_keyboard_has_a_next_page(page: Page) -> None:
    search = widget(page, "Search")
    search.get_by_label("Text, in upper or lower case").focus()
    page.keyboard.type("error ORDER")
    page.keyboard.press("Enter")
    expect(search).to_contain_text("Page 1 of 2")
    found = rows(search, "Events; the latest first")
    search.get_by_role("button", name="Next page").focus()
    page.keyboard.press("Enter")
    expect(search).to_contain_text("Page 2 of 2")
    found += rows(search, "Events; the latest first")
    assert sorted(row[4] for row in found) == sorted(f"ERROR order {number}" for number in range(60))


def test_hostile_lines_show_as_text(page: Page, events: Events) -> None:
    for line in HOSTILE[:2]:
        expect(widget(page, "AWS WAF").get_by_text(line, exact=True).first).to_be_visible()
    number = f"{events.lines[archive.APP_GROUP]} events of {archive.APP_GROUP}"
    widget(page, "Volume").get_by_role("button", name=number).click()
    expect(popup(page)).to_contain_text("Page 1 of 2")
    popup(page).get_by_role("button", name="Next page").click()
    expect(popup(page)).to_contain_text("Page 2 of 2")
    for line in HOSTILE[:4]:
        expect(popup(page).get_by_text(line, exact=True)).to_be_visible()
    expect(popup(page)).to_contain_text("\\x1b[31m\\u202etxt.exe &lt;b&gt;")
    assert page.locator("script").count() == 1  # the page's own
    assert page.locator("img, iframe, h1 >> text=markup").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_legible_in_light_and_dark(page: Page, theme: str) -> None:
    controls(page).get_by_label("Theme").select_option(theme)
    settled(page)
    expect(page.locator(f".page.{theme}")).to_have_count(6)
    ground = _luminance(page.locator(f".page.{theme}").first, "background-color")
    assert (ground > 0.5) is (theme == "light")
    for each in (".page", ".quiet", ".alert", "button", "th"):
        text = _luminance(widget(page, "What arrived").locator(each).first, "color")
        lighter, darker = max(text, ground), min(text, ground)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, each  # Web Content Accessibility Guidelines 2.2, 1.4.3


def _luminance(place: Locator, style: str) -> float:
    color = place.evaluate("(element, style) => getComputedStyle(element).getPropertyValue(style)", style)
    channels = [int(each) / 255 for each in re.findall(r"\d+", color)[:3]]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_no_request_leaves_loopback(requests: list[Request]) -> None:
    assert len(requests) > 10
    assert {urlsplit(each.url).hostname for each in requests} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({}, "", 200),
        ({"Host": "archive.example.com"}, "", 403),
        ({"Host": "127.0.0.1"}, "", 403),
        ({"Origin": "http://archive.example.com"}, "dashboard", 403),
        ({}, "../", 403),
        ({}, "../guessed-token/dashboard", 403),
        ({}, "../../look.js", 403),
    ],
)
def test_a_request_of_a_foreign_host_or_page_or_without_the_token_is_refused(
    address: str, headers: dict[str, str], path: str, status: int
) -> None:
    parts = urlsplit(address)
    token = parts.path.strip("/")
    wanted = {"../": "/", "../guessed-token/dashboard": "/guessed-token/dashboard", "../../look.js": "/look.js"}
    with closing(http.client.HTTPConnection(parts.netloc)) as connection:
        connection.request("GET", wanted.get(path, f"/{token}/{path}"), headers=headers)
        answer = connection.getresponse()
        policy = answer.getheader("content-security-policy") or ""
    assert answer.status == status
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy


def test_only_functions_of_the_dashboard_are_called(page: Page, address: str) -> None:
    other = "arn:aws:lambda:eu-west-1:111111111111:function:other"
    answer = page.request.post(f"{address}call", data={"endpoint": other, "event": {}})
    assert answer.json() == {"error": f"{other} is no function of this dashboard"}


def test_the_port_can_be_chosen_and_one_in_use_is_an_error(stacks: Stacks, address: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "look", "-s", "archive", "--no-browser", "--port", str(urlsplit(address).port),
         "--config-file", str(Path(stacks.write(config(readers=[MANAGEMENT]))))],
        cwd=ROOT, env=stacks.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be listened at" in done.stderr

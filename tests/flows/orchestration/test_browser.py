"""browser: a reviewer reads the question in the Prefect UI and answers it there, in Chromium."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_questions import BATCH, UPDATE, Asked
from playwright.sync_api import Browser, Page, expect, sync_playwright
from prefect_api import eventually

CHROMIUM = Path(os.environ.get("SLUICEGATE_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MOST_CLICKS = 4
PATIENCE = 180_000  # milliseconds; two cores run the server, the runner and the browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.is_file(), reason="needs Chromium (Debian: chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


def open_run(page: Page, asked: Asked, run: dict[str, Any]) -> None:
    page.goto(f"{asked.served.prefect_ui}/runs/flow-run/{run['id']}")


def open_form(page: Page, asked: Asked, run: dict[str, Any]) -> None:
    open_run(page, asked, run)
    page.get_by_role("button", name="Resume").first.click()
    expect(page.locator(".p-modal textarea")).to_have_count(3, timeout=PATIENCE)


def fill(page: Page, decision: str, proof: str) -> None:
    """Fill in the open form as ann, and submit it."""
    dialog = page.locator(".p-modal")
    for at, text in enumerate(("ann", "I looked at the page", proof)):
        dialog.locator("textarea").nth(at).fill(text)
    dialog.locator("button.p-select-button__control").focus()
    page.keyboard.press("ArrowDown")
    page.locator(".p-select-option", has_text=decision).click()
    for _ in range(MOST_CLICKS):  # a busy SQLite refuses now and then, and a person clicks again
        dialog.get_by_role("button", name="Submit").click()
        try:
            expect(dialog).to_have_count(0, timeout=PATIENCE / MOST_CLICKS)
        except AssertionError:
            continue
        return
    expect(dialog).to_have_count(0, timeout=PATIENCE)


def test_a_reviewer_approves_an_update(asked: Asked, page: Page) -> None:
    """They read the artifact, paste a wrong proof, are told why, paste a right one: it is champion."""
    run = asked.suspended()
    open_run(page, asked, run)
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("review-update-0001").first.click()
    expect(page.get_by_text("become the champion").first).to_be_visible(timeout=PATIENCE)
    pictures = page.locator("img[src^='data:image/png']")
    expect(pictures.first).to_be_visible(timeout=PATIENCE)
    assert pictures.first.evaluate("picture => picture.naturalWidth") > 100

    open_form(page, asked, run)
    fill(page, "approve", "not a signature")
    again = asked.suspended(but=run)
    assert asked.champion == "0000"
    open_form(page, asked, again)
    told = page.locator(".p-modal").get_by_text("The last answer does not count")
    expect(told).to_be_visible(timeout=PATIENCE)

    fill(page, "approve", asked.proof())
    eventually(lambda: asked.champion == "0001")
    open_run(page, asked, again)
    expect(page.get_by_text("Decided").first).to_be_visible(timeout=PATIENCE)


def test_a_reviewer_rejects_a_batch(asked: Asked, page: Page) -> None:
    """A signed no closes the question, and nothing of the batch is admitted."""
    run = asked.suspended(BATCH)
    open_form(page, asked, run)
    expect(page.locator(".p-modal").get_by_text("May models learn from")).to_be_visible(
        timeout=PATIENCE
    )
    fill(page, "reject", asked.proof(decision="reject", subject=BATCH))
    decided = eventually(lambda: [r for r in asked.runs(BATCH) if r["state_name"] == "Decided"])
    assert decided[0]["id"] == run["id"]
    assert asked.place.show_review(BATCH).state == "quarantined"
    assert not (asked.place.root / "batches" / "0002" / "manifest.json").exists()


def test_the_evidence_page_runs_nothing_and_fetches_nothing(asked: Asked, page: Page) -> None:
    """Opened from disk on a phone it asks for no other address and is no wider than the screen."""
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.set_viewport_size({"width": 390, "height": 844})
    path = asked.place.root / "updates" / "0001" / "evidence.html"
    page.goto(path.as_uri())
    expect(page.locator("h1")).to_contain_text("update:0001")
    assert fetched == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert UPDATE in page.title()

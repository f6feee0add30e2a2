"""An operator at /watch, in a browser, while the nemesis is at work: acts by its buttons, and keeps what it shows."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import threading
import time
from dataclasses import dataclass

import httpx
import redis
from playwright.sync_api import Error, sync_playwright
from tenants import OWN

from shared.jobs import Failure
from shared.ledger import moves
from shared.ledger.run import Ledger
from tests.acceptance.conftest import BROWSERS

KEY = "the-key-of-an-operator"
ENV = {"OPERATOR_KEYS": KEY, "PREVIEWS": "true"}
# Of what is failed so that it can be queued again.
LOST = {"prompt": "a lost logo", "sizes": [64], "steps": 1, "priority": "low"}
ANSWER_MS, CLICK_MS, FIRST_MS = 10_000, 3000, 60_000
PAUSED_SECONDS = (2, 6)

# Five times a second, what has changed: new ends, new notes, what the page says of its figures' age.
SAMPLER = """() => {
  const ends = new Set(), notes = new Set();
  window.samples = [];
  setInterval(() => {
    const rows = [...document.querySelectorAll("#ends tbody tr")].map(row => ({
      id: row.querySelector("a").href.split("/").at(-1), status: row.querySelector(".pill").classList[1],
      at: Date.parse(row.querySelector("time").dateTime)}));
    const audit = [...document.querySelectorAll("#audit tbody tr")].map(
      row => [...row.cells].slice(2).map(cell => cell.textContent).join("|"));
    window.samples.push({
      at: Date.now(), fresh: document.querySelector("#fresh").textContent,
      rows: rows.length, oldest: rows.at(-1)?.at ?? 0,
      ends: rows.filter(({id}) => !ends.has(id)), notes: audit.filter(note => !notes.has(note))});
    for (const {id} of rows) ends.add(id);
    for (const note of audit) notes.add(note);
  }, 200);
}"""


@dataclass
class Act:
    """A click: what it asked for, when (ms since the epoch), and the answer; None if there was none."""

    action: str
    target: str
    at: float
    status: int | None
    answer: dict


class Watchman(threading.Thread):
    def __init__(self, stack, seed):
        super().__init__(name="watchman", daemon=True)
        self.stack, self.random = stack, random.Random(seed)
        self.over = threading.Event()
        self.samples, self.acts = [], []
        self.valkey = redis.Redis.from_url(stack.redis_url, socket_timeout=1, socket_connect_timeout=1)
        self.held = {}  # worker -> when it is to go on
        self.actions = itertools.cycle(("pause", "cancel", "requeue", "cancel", "requeue", "drain"))

    def run(self):
        path = next(path for name in BROWSERS if (path := shutil.which(name)))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(locale="en-GB", reduced_motion="reduce")
            self._open(page)
            page.evaluate(SAMPLER)
            while not self.over.is_set():
                self._act(page)
                page.wait_for_timeout(self.random.uniform(500, 2000))
                self.samples += page.evaluate("window.samples.splice(0)")
            # Nobody is left paused.
            until = time.monotonic() + FIRST_MS / 1000
            while (held := self._buttons(page, "resume")) and time.monotonic() < until:
                self._click(page, held[0])
                page.wait_for_timeout(1000)
            page.wait_for_timeout(2500)
            self.samples += page.evaluate("window.samples.splice(0)")
            browser.close()

    def stop(self):
        self.over.set()
        self.join()

    def _open(self, page):
        """The API may just have been killed."""
        until = time.monotonic() + FIRST_MS / 1000
        while True:
            try:
                page.goto(f"{self.stack.url}/watch")
                page.wait_for_selector("html[data-ready]", timeout=CLICK_MS)
                page.click("#operator")
                page.fill("#key", KEY)
                page.keyboard.press("Enter")
                page.wait_for_selector("#audit-part:not([hidden])", timeout=ANSWER_MS)
            except Error:
                if time.monotonic() > until:
                    raise
                page.wait_for_timeout(500)
            else:
                return

    def _act(self, page):
        now = time.monotonic()
        if due := [name for name in self._buttons(page, "resume") if self.held.get(name.split(" ", 1)[1], 0) <= now]:
            self._click(page, due[0])
            return
        action = next(self.actions)
        if action == "requeue":
            self._fail_a_job()
        buttons = self._buttons(page, action)
        # One worker goes on drawing.
        if buttons and not (action in ("pause", "drain") and self._buttons(page, "resume")):
            chosen = self.random.choice(buttons)
            self._click(page, chosen)
            if action in ("pause", "drain"):
                seconds = self.random.uniform(*PAUSED_SECONDS) if action == "pause" else float("inf")
                self.held[chosen.split(" ", 1)[1]] = now + seconds

    def _buttons(self, page, action):
        return page.evaluate(
            "action => [...document.querySelectorAll(`[data-act^='${action} ']`)].map(one => one.dataset.act)", action
        )

    def _click(self, page, name):
        action, target = name.split(" ", 1)
        act = Act(action, target, time.time() * 1000, None, {})
        with contextlib.suppress(Error):
            with page.expect_response(
                lambda response: response.request.method == "POST" and response.url.endswith(f"/{action}"),
                timeout=ANSWER_MS,
            ) as answered:
                page.locator(f'[data-act="{name}"]').click(timeout=CLICK_MS)
                self.acts.append(act)
            act.status, act.answer = answered.value.status, answered.value.json()

    def _fail_a_job(self):
        with contextlib.suppress(httpx.TransportError, redis.RedisError):
            headers = {"X-API-Key": OWN}
            answer = httpx.post(f"{self.stack.url}/api/jobs", json=LOST, headers=headers, timeout=5)
            if answer.status_code == 202:
                fail = moves.fail(answer.json()["id"], code=Failure.OUTPUT_BLACK, message="was lost", ttl_seconds=7200)
                Ledger(self.valkey).run(fail)

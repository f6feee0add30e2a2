"""`make tour`: three keys on one stack, one of them greedy: their waits and usage, a quota, a prompt that is not drawn,
and what is forgotten.
"""

import os
import statistics
import subprocess
import sys
from datetime import datetime

import httpx
import pytest
import redis

GREEDY, LIGHT, QUOTA = 40, 2, 2
UNWANTED = "the logo of 4cme"  # "Acme" in another spelling
SECRET = "an owl that nobody must hear of"
BODY = {"prompt": "a red fox", "sizes": [64], "steps": 4}


def command(*arguments, **env):
    done = subprocess.run(
        [sys.executable, "-m", *arguments], env=os.environ | env, capture_output=True, text=True, check=True
    )
    return done.stdout


def waited(job):
    return (datetime.fromisoformat(job["started_at"]) - datetime.fromisoformat(job["created_at"])).total_seconds()


class App:
    def __init__(self, stack, name, key):
        self.name = name
        self.http = httpx.Client(base_url=stack.url, headers={"X-API-Key": key}, timeout=70)
        self.ids = []

    def submit(self, **body):
        answer = self.http.post("/api/jobs", json=BODY | body)
        if answer.status_code == 202:
            self.ids.append(answer.json()["id"])
        return answer

    def end(self, job_id):
        while (job := self.http.get(f"/api/jobs/{job_id}?wait=30&include=none").json())["finished_at"] is None:
            pass
        return job


def holding(stack, text):
    """Where `text` is still: keys of Redis, files of the stack (the append-only files and the logs are among them)."""
    with redis.Redis.from_url(stack.redis_url) as client:
        state = client.info("persistence")
        if state["aof_rewrite_in_progress"] or client.get("logo:forgotten") not in (None, b"0"):
            return ["a rewrite that is due"]
        dumps = {key: client.dump(key) or b"" for key in client.scan_iter(count=1000)}
    found = [key.decode() for key, dump in dumps.items() if text.encode() in dump]
    files = [path for path in stack.directory.rglob("*") if path.is_file()]
    return found + [str(path) for path in files if text.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_three_keys(new_stack, tmp_path, capsys):
    def say(*lines):
        with capsys.disabled():
            print("", *lines, sep="\n", flush=True)

    file = tmp_path / "keys.toml"
    made = {name: command("api.keys", "new", name, KEYS_FILE=str(file)).strip() for name in ("demo", "greedy", "shop")}
    file.write_text(file.read_text().replace('name = "demo"\n', f'name = "demo"\nquota_images = {QUOTA}\n'))
    say("$ python -m api.keys list", command("api.keys", "list", KEYS_FILE=str(file)).strip())
    words = tmp_path / "words.txt"
    words.write_text("Acme\n")
    stack = new_stack(KEYS_FILE=str(file), SAFETY="prompt", SAFETY_WORDS_FILE=str(words))
    env = {"KEYS_FILE": str(file), "REDIS_URL": stack.redis_url}
    with redis.Redis.from_url(stack.redis_url) as client:
        client.config_set("rdbcompression", "no")  # so that grep finds what is there
    demo, greedy, shop = (App(stack, name, key) for name, key in made.items())

    for _ in range(GREEDY):
        greedy.submit()
    greedy.end(greedy.ids[0])
    for app in (shop, demo):
        for _ in range(LIGHT):
            app.submit()
    refused = demo.submit()
    waits = {app.name: [waited(app.end(job_id)) for job_id in app.ids] for app in (greedy, shop, demo)}
    say("seconds that jobs waited:")
    for name, found in waits.items():
        say(f"{name:8} {len(found):3} jobs: median {statistics.median(found):5.1f}, longest {max(found):5.1f}")
    assert max(waits["shop"] + waits["demo"]) < max(waits["greedy"]) / 2

    error = refused.json()["error"]
    say(
        "one more of demo:",
        f"{refused.status_code} {error['code']}: {error['message']}",
        f"details: {error['details']}",
    )
    assert (refused.status_code, error["code"]) == (429, "quota_exceeded")

    unwanted = shop.submit(prompt=UNWANTED)
    error = unwanted.json()["error"]
    say("a prompt of shop with a word of the operator's list:", f"{unwanted.status_code} {error['code']}")
    assert (unwanted.status_code, error["code"]) == (422, "content_filtered")
    assert holding(stack, UNWANTED) == []

    secret = shop.submit(prompt=SECRET).json()["id"]
    shop.end(secret)
    before = holding(stack, SECRET)
    assert shop.http.delete(f"/api/jobs/{secret}?forget=true").status_code == 200
    stack.wait_until(lambda: not holding(stack, SECRET), seconds=60)
    say(f"one job of shop forgotten; grep {SECRET!r}", f"before: {before}", f"after: {holding(stack, SECRET)}")
    assert before
    assert shop.http.get(f"/api/jobs/{secret}").status_code == 404

    say("$ python -m api.keys forget greedy", command("api.keys", "forget", "greedy", **env).strip())
    say("$ python -m api.usage", table := command("api.usage", **env).strip())
    rows = {row.split()[0]: row.split()[2:7] for row in table.splitlines()[1:]}
    assert {name: (int(row[0]), int(row[4])) for name, row in rows.items()} == {
        "greedy": (GREEDY, GREEDY),
        "shop": (LIGHT + 1, LIGHT + 1),
        "demo": (QUOTA, QUOTA),
    }
    for app in (demo, greedy, shop):
        app.http.close()

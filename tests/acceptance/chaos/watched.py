"""Checks what a watchman saw at /watch against the log, the audit log and the ledger."""

from __future__ import annotations

import statistics
from datetime import datetime

from clients import TERMINAL

from shared.jobs import Failure, JobStatus
from shared.ledger import audit, reads
from shared.ledger.run import Ledger

WITHIN_MS = 2000
SAMPLE_MS = 600  # between two samples, at most, where the browser has a core
ALL_ROWS = 100


def ends_of_log(stack, events):
    """(ms since the epoch, job, status) of each end that was logged and is the ledger's."""
    for event in stack.events():
        status = event["event"].removeprefix("job.")
        job_id = event.get("job_id")
        ended = event["event"].startswith("job.") and status in TERMINAL
        if ended and job_id in events and events[job_id][-1][0] == status:
            yield datetime.fromisoformat(event["timestamp"]).timestamp() * 1000, job_id, status


class Seen:
    """What the page showed, and when first (ms since the epoch)."""

    def __init__(self, samples):
        self.samples = samples
        self.ends, self.notes = {}, {}
        for sample in samples:
            for end in sample["ends"]:
                self.ends.setdefault(end["id"], (sample["at"], end["status"], end["at"]))
            for note in sample["notes"]:
                self.notes.setdefault(note, sample["at"])

    def covers(self, at):
        return bool(self.samples) and self.samples[0]["at"] + WITHIN_MS < at < self.samples[-1]["at"] - WITHIN_MS

    def excuse(self, at):
        """Why the page need not show what was at `at`: it said that its figures are old, a hundred ends came after it,
        or the browser itself had no time.
        """
        after = [s for s in self.samples if at <= s["at"] <= at + WITHIN_MS + SAMPLE_MS]
        if any(sample["fresh"] for sample in after):
            return "said"
        if any(sample["rows"] >= ALL_ROWS and sample["oldest"] >= at for sample in after):
            return "flushed"
        if not any(sample["at"] >= at + WITHIN_MS for sample in after):
            return "starved"
        return ""


def of_ends(seen, logged, excused):
    """The findings of ends, and how late (s) each was that was shown in time."""
    late, found = [], []
    for at, job_id, status in logged:
        shown, as_status, ledger_at = seen.ends.get(job_id, (float("inf"), status, at))
        # A process that was stopped after the move has logged it later, one that was stopped before it earlier.
        at = max(at, ledger_at)  # noqa: PLW2901 - the later of both
        if as_status != status:
            found.append(f"/watch showed {job_id} as {as_status}, the log says {status}")
        if not seen.covers(at):
            continue
        if shown <= at + WITHIN_MS:
            late.append(max(0.0, shown - at) / 1000)
        elif excuse := seen.excuse(at):
            excused[excuse] += 1
        else:
            found.append(
                f"/watch showed after {(shown - at) / 1000:.1f} s, not within 2, that {job_id} {status} at {at:.0f}, "
                "and did not say that it is behind"
            )
    return late, found


def of_acts(seen, acts, stack, client):
    """The findings of an operator's actions that were answered: each is in the audit log, the log and the page."""
    notes = Ledger(client).run(audit.recent(audit.MAX_NOTES))
    noted = {(note.action, note.target, note.outcome) for note in notes}
    logged = {(event["action"], event["target"]) for event in stack.events(event="operator.acted")}
    for act in acts:
        if act.status is None:
            continue
        what = f"{act.action} {act.target}: {act.status}"
        if act.status == 200:
            outcomes = {outcome for action, target, outcome in noted if (action, target) == (act.action, act.target)}
            if audit.ASKED not in outcomes or len(outcomes) < 2:
                yield f"{what} is not in the audit log: {outcomes}"
            if (act.action, act.target) not in logged:
                yield f"{what} is not in the log"
            shown = [at for note, at in seen.notes.items() if note.startswith(f"{act.action}|{act.target}|")]
            if not shown and seen.covers(act.at) and not seen.excuse(act.at):
                yield f"{what} was not on the page"
            yield from _lost(act, client)
        # A worker that was killed just then is no more; a job has ended; Redis is away.
        elif act.status not in (404, 409, 422, 503):
            yield f"{what} {act.answer}"


def _lost(act, client):
    """What an action that was done must not do: lose a job. All have ended, and are read from the ledger, because a
    key reads only its own.
    """
    done = act.action == "requeue" or (act.action == "cancel" and act.answer["outcome"] in ("moved", "flagged"))
    if not done:
        return
    job = Ledger(client).run(reads.job(act.answer["job_id"] if act.action == "requeue" else act.target)).job
    if act.action == "cancel" and job.status is JobStatus.SUCCEEDED:
        yield f"{job.id} was canceled, and succeeded"
    if act.action == "requeue" and job.status is JobStatus.FAILED and job.error_code != Failure.POISON:
        yield f"the job {job.id}, queued again, failed: {job.error_code}"


def report(late, excused, acts, samples):
    done = {action: sum(act.status == 200 for act in acts if act.action == action) for action in _ACTIONS}
    unanswered = sum(act.status != 200 for act in acts)
    if late:
        spread = f"median {statistics.median(late):.2f} s, most {max(late):.2f} s"
        yield f"/watch showed {len(late)} ends of the log within 2 s ({spread}), of {len(late) + sum(excused.values())}"
    yield "the others: " + (", ".join(f"{count} {why}" for why, count in excused.items()) or "none")
    yield f"{sum(bool(s['fresh']) for s in samples)} of {len(samples)} samples say that the figures are old"
    yield "done by the page: " + ", ".join(f"{count} {action}" for action, count in done.items())
    yield f"{unanswered} clicks were refused or not answered"


_ACTIONS = ("pause", "resume", "drain", "cancel", "requeue")

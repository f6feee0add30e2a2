// Follows a job to its end: by its event stream, opened again after each cut, or by polls.
//
// A browser opens six connections to a server at most, all tabs together. So a page holds two streams, those of a page
// that nobody sees are let go, and all other jobs are polled.
import {Refused, json} from "./server.js";
import {events} from "./stream.js";

export const TERMINAL = ["succeeded", "failed", "canceled", "expired"];
const STREAMS = 2;
const POLL_PATIENCE_MS = 20_000;
const POLL_MS = 2000, HIDDEN_POLL_MS = 5000, LONGEST_PAUSE_MS = 15_000;
let streams = 0;

export const pause = (ms, signal) => new Promise(done => {
  const wake = () => { clearTimeout(timer); done(); };
  const timer = setTimeout(done, ms);
  signal?.addEventListener("abort", wake, {once: true});
  // The network, or the reader, is back.
  addEventListener("online", wake, {once: true});
  document.addEventListener("visibilitychange", wake, {once: true});
});

// Tells {job}, {progress}, {preview}, {offline}, {gone}; returns once the job has ended or cannot be followed.
export async function follow(id, tell, signal) {
  let failures = 0;
  const heard = () => { failures = 0; tell({offline: false}); };
  while (!signal.aborted) {
    try {
      const ended = !document.hidden && streams < STREAMS
        ? await byStream(id, tell, signal, heard) : await byPoll(id, tell, signal, heard);
      if (ended) return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && [401, 404].includes(error.status)) {
        tell(error.status === 404 ? {gone: true} : {locked: true});
        return;
      }
      failures += 1;
      tell({offline: true});
      await pause(error.retryAfter * 1000 || Math.min(500 * 2 ** failures, LONGEST_PAUSE_MS), signal);
    }
  }
}

async function byStream(id, tell, signal, heard) {
  const cut = new AbortController();
  const letGo = () => { if (document.hidden || signal.aborted) cut.abort(); };
  document.addEventListener("visibilitychange", letGo);
  signal.addEventListener("abort", letGo);
  streams += 1;
  try {
    for await (const {event, data} of events(`api/jobs/${id}/events`, {signal: cut.signal})) {
      heard();
      if (event === "progress") tell({progress: data});
      else if (event === "preview") tell({preview: data.image});
      else if (data.id) tell({job: data});
      if (event === "done" || (event === "snapshot" && TERMINAL.includes(data.status))) return true;
    }
    return false;
  } catch (error) {
    if (cut.signal.aborted) return false;
    throw error;
  } finally {
    streams -= 1;
    document.removeEventListener("visibilitychange", letGo);
    cut.abort();
  }
}

async function byPoll(id, tell, signal, heard) {
  const job = await json(`api/jobs/${id}?include=none`, {signal, patience: POLL_PATIENCE_MS});
  heard();
  tell({job});
  if (TERMINAL.includes(job.status)) return true;
  await pause(document.hidden ? HIDDEN_POLL_MS : POLL_MS, signal);
  return false;
}

// A job's event stream with fetch-event-source, ended as docs/client-guide.md says.
// The package is a browser's: it takes timers from `window`, and listens to `document` for a page that is hidden.
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { base, save, submit } from "./jobs.mjs";

globalThis.window = globalThis;
globalThis.document = new EventTarget();
const job = await submit();
const ctrl = new AbortController();
const told = {};
await fetchEventSource(new URL(job.urls.events, base).href, {
  signal: ctrl.signal,
  onmessage(event) {
    told[event.event] = JSON.parse(event.data);
    if (event.event === "done") ctrl.abort();
  },
});
if (!told.snapshot) throw new Error(Object.keys(told).join());
await save(told.done);

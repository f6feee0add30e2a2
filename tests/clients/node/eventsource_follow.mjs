// A job's event stream with EventSource: it is told of the end, comes back once, and is sent away.
import { EventSource } from "eventsource";
import { base, save, submit } from "./jobs.mjs";

const job = await submit();
const es = new EventSource(new URL(job.urls.events, base));
const names = [];
for (const name of ["snapshot", "status", "progress"]) es.addEventListener(name, () => names.push(name));
const done = await new Promise((resolve) => es.addEventListener("done", (event) => resolve(JSON.parse(event.data))));
const alive = setInterval(() => {}, 1000); // its timer for coming back lets the process end
const sentAway = await new Promise((resolve) => {
  es.addEventListener("error", () => es.readyState === EventSource.CLOSED && resolve(true));
});
clearInterval(alive);
if (names[0] !== "snapshot" || !sentAway) throw new Error(`${names}`);
await save(done);

// What the cards do: asks for the figures once a second, and sends an operator's actions.
import {el, tell} from "./dom.js";
import {askForKey} from "./keyring.js";
import {alerts, audit, ends, queue, workers} from "./figures.js";
import {Refused, call, hasKey, json, setKey} from "./server.js";
import {apply, t} from "./strings.js";

const EVERY_MS = 1000, LEAST_PAUSE_MS = 200, PATIENCE_MS = 5000;
// Looked at each LEAST_PAUSE_MS, so that figures of two seconds ago are said to be old by then.
const OLD_MS = 2000 - LEAST_PAUSE_MS;
const shown = new Map(); // place -> the figures that it shows
let last = null; // when the figures held for certain
let keyWrongUntil = 0;

const path = {
  worker: (name, action) => `watch/workers/${encodeURIComponent(name)}/${action}`,
  job: (id, action) => `watch/jobs/${id}/${action}`,
};

async function act(address, told) {
  try {
    await call(address, {method: "POST"});
    tell(told);
    await look();
  } catch (error) {
    tell(error instanceof Refused ? error.message : t("noAnswer"));
  }
}

const actions = {
  worker: (name, action) => act(path.worker(name, action), t(`did_${action}`, {what: name})),
  job: (id, action) => act(path.job(id, action), t(`did_${action}`, {what: id})),
};

// Draws a part anew where its figures have changed, and leaves the focus where it was.
function part(id, figures, draw) {
  const text = JSON.stringify(figures);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  const place = el(id), focused = place.contains(document.activeElement) ? document.activeElement.dataset.act : null;
  place.replaceChildren(...[draw(figures)].flat());
  if (!focused) return;
  // The same button, or another one of the same worker or job.
  const buttons = [...place.querySelectorAll("[data-act]")], [, target] = focused.split(" ");
  (buttons.find(one => one.dataset.act === focused) ?? buttons.find(one => one.dataset.act.endsWith(` ${target}`)))?.focus();
}

// What is wrong with the figures is said until it is over.
function fresh(why) {
  const old = last !== null && Date.now() - last >= OLD_MS ? t("lastSeen", {n: Math.round((Date.now() - last) / 1000)}) : "";
  el("fresh").dataset.why = why;
  el("fresh").textContent = [Date.now() < keyWrongUntil ? t("keyWrong") : why, old].filter(Boolean).join(" ");
}

async function look() {
  const keyed = hasKey(), asked = Date.now();
  try {
    const seen = await json("watch/figures", {cache: "no-store", patience: PATIENCE_MS});
    last = asked - 1000 * seen.age_seconds;
    // An answer to a question that was asked before the key came, or went, says nothing about it.
    if (keyed !== hasKey()) return;
    if (keyed && !seen.whole) {
      setKey("");
      keyWrongUntil = Date.now() + PATIENCE_MS;
    }
    part("alerts", seen.alerts, alerts);
    part("workers", {workers: seen.workers, whole: seen.whole}, found => workers(found, actions));
    part("queue", {queue: seen.queue, queued: seen.queued, finishing: seen.finishing, redis: seen.redis, whole: seen.whole}, queue);
    part("ends", {ends: seen.ends, whole: seen.whole}, found => ends(found, actions));
    part("audit", seen.audit, audit);
    el("audit-part").hidden = !seen.whole;
    el("operator").textContent = seen.whole ? t("operatorEnd") : t("operator");
    fresh("");
    document.documentElement.dataset.ready = "";
  } catch (error) {
    fresh(error instanceof Refused ? error.message : t("noAnswer"));
  }
}

el("operator").addEventListener("click", async () => {
  if (hasKey()) setKey("");
  else {
    const given = await askForKey(false, {title: t("operatorTitle"), why: t("operatorWhy"), label: t("operatorTitle")});
    if (!given) return;
    setKey(given);
  }
  await look();
});

apply(document);
// Also while an answer does not come.
setInterval(() => { if (last !== null && Date.now() - last >= OLD_MS && !document.hidden) fresh(el("fresh").dataset.why ?? ""); }, LEAST_PAUSE_MS);
for (;;) {
  // A page that nobody sees asks nothing.
  const asked = Date.now();
  if (!document.hidden) await look();
  await new Promise(done => setTimeout(done, Math.max(LEAST_PAUSE_MS, EVERY_MS - (Date.now() - asked))));
}

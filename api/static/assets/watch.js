// What the cards do: asks for the figures once a second, and sends an operator's actions.
import {el, h, say} from "./dom.js";
import {askForKey} from "./keyring.js";
import {alerts, audit, ends, queue, workers} from "./figures.js";
import {Refused, call, hasKey, json, setKey} from "./server.js";
import {apply, t} from "./strings.js";

const EVERY_MS = 1000;
const shown = new Map(); // place -> the figures that it shows
let last = null;

const path = {
  worker: (name, action) => `watch/workers/${encodeURIComponent(name)}/${action}`,
  job: (id, action) => `watch/jobs/${id}/${action}`,
};

async function act(address, told) {
  try {
    await call(address, {method: "POST"});
    say(told);
    await look();
  } catch (error) {
    say(error instanceof Refused ? error.message : t("noAnswer"));
    el("fresh").textContent = error instanceof Refused ? error.message : t("noAnswer");
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
  if (focused) [...place.querySelectorAll("[data-act]")].find(one => one.dataset.act === focused)?.focus();
}

async function look() {
  const keyed = hasKey();
  try {
    const seen = await json("watch/figures", {cache: "no-store"});
    last = Date.now();
    // An answer to a question that was asked before the key came, or went, says nothing about it.
    if (keyed !== hasKey()) return;
    if (keyed && !seen.whole) {
      setKey("");
      say(t("keyWrong"));
    }
    part("alerts", seen.alerts, alerts);
    part("workers", {workers: seen.workers, whole: seen.whole}, found => workers(found, actions));
    part("queue", {queue: seen.queue, queued: seen.queued, finishing: seen.finishing, redis: seen.redis, whole: seen.whole}, queue);
    part("ends", {ends: seen.ends, whole: seen.whole}, found => ends(found, actions));
    part("audit", seen.audit, audit);
    el("audit-part").hidden = !seen.whole;
    el("operator").textContent = seen.whole ? t("operatorEnd") : t("operator");
    el("fresh").textContent = "";
    document.documentElement.dataset.ready = "";
  } catch (error) {
    const since = last === null ? "" : ` ${t("lastSeen", {n: Math.round((Date.now() - last) / 1000)})}`;
    el("fresh").textContent = (error instanceof Refused ? error.message : t("noAnswer")) + since;
  }
}

el("operator").addEventListener("click", async () => {
  if (hasKey()) setKey("");
  else {
    const given = await askForKey(false, {title: t("operatorTitle"), why: t("operatorWhy")});
    if (!given) return;
    setKey(given);
    await look();
    if (!hasKey()) {
      el("fresh").replaceChildren(h("span.wrong", {role: "alert"}, t("keyWrong")));
      return;
    }
  }
  await look();
});

apply(document);
for (;;) {
  // A page that nobody sees asks nothing.
  if (!document.hidden) await look();
  await new Promise(done => setTimeout(done, EVERY_MS));
}

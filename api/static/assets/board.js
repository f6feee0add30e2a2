// All records of this browser, newest first, as cards that update in place.
import {el, h, say} from "./dom.js";
import {bar, inFlight, words} from "./progress.js";
import {t} from "./strings.js";

const PAGE = 24;

export class Board {
  #cards = new Map(); // key -> {element, update}
  #shown = PAGE;

  // `act`: {open, cancel, hurry, compare}; `compared`: whether a record is chosen for comparison.
  constructor(desk, act) {
    Object.assign(this, {desk, act});
    el("search").addEventListener("input", () => { this.#shown = PAGE; this.#lay(); });
    desk.addEventListener("change", ({detail}) => this.#changed(detail));
    // Waiting times count down.
    setInterval(() => { for (const {update, record} of this.#cards.values()) if (record.problem?.retryAt) update(); }, 1000);
  }

  #changed(record) {
    const card = record && this.#cards.get(record.key);
    if (card && this.desk.records.get(record.key) === card.record) card.update();
    else this.#lay();
  }

  #lay() {
    const wanted = el("search").value.trim().toLowerCase();
    const found = this.desk.newestFirst.filter(({body, job}) => !wanted || `${body.prompt} ${body.text ?? ""} ${job?.seed ?? ""}`.toLowerCase().includes(wanted));
    const cards = found.slice(0, this.#shown).map(record => this.#card(record).element);
    if (found.length > this.#shown) cards.push(h("li.more-cards", {}, h("button.quiet", {type: "button", onclick: () => { this.#shown += PAGE; this.#lay(); }}, t("showMore", {n: found.length - this.#shown}))));
    // Only what changes is moved, so that the focus stays.
    const list = el("cards");
    cards.forEach((card, index) => { if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null); });
    while (list.children.length > cards.length) list.lastChild.remove();
    const kept = new Set(found.map(({key}) => key));
    for (const key of this.#cards.keys()) if (!kept.has(key)) this.#cards.delete(key);
    el("empty").hidden = found.length > 0;
    el("empty").lastElementChild.textContent = wanted ? t("nothingFound", {what: wanted}) : t("empty");
    el("search").closest(".search").hidden = this.desk.records.size < 2;
  }

  #card(record) {
    const known = this.#cards.get(record.key);
    if (known?.record === record) return known;
    const card = {record, ...makeCard(record, this.act)};
    this.#cards.set(record.key, card);
    return card;
  }
}

function makeCard(record, act) {
  const picture = h("span.picture", {});
  const title = h("span.title", {}, record.body.prompt);
  const state = h("span.state", {});
  const progress = h("progress", {max: 1, "aria-label": record.body.prompt});
  const open = h("button.open", {type: "button", onclick: () => act.open(record)}, picture, title);
  const cancel = h("button.quiet.small", {type: "button", onclick: () => act.cancel(record)}, t("cancel"));
  const now = h("button.quiet.small", {type: "button", onclick: () => act.hurry(record)}, t("tryNow"));
  const choose = h("button.quiet.small.choose", {type: "button", "aria-pressed": false, "aria-label": t("compareThis", {what: record.body.prompt}), onclick: () => choose.setAttribute("aria-pressed", act.compare(record))}, t("compareShort"));
  const element = h("li.card", {}, open, progress, state, h("span.actions", {}, now, cancel, choose));
  let shown = null;
  const update = () => {
    const status = record.state === "followed" ? record.job.status : record.state === "ended" ? record.job.status : record.state;
    element.dataset.status = status;
    state.textContent = words(record);
    state.hidden = status === "succeeded";
    bar(progress, record);
    cancel.hidden = !inFlight(record) || Boolean(record.cancels || record.job?.cancel_requested);
    now.hidden = !(record.live.locked || record.state === "sending" && record.problem?.retryAt);
    choose.hidden = status !== "succeeded";
    const image = record.thumb ?? record.live.preview ?? null;
    if (image !== shown) {
      shown = image;
      picture.replaceChildren(...image ? [h("img", {alt: "", src: image instanceof Blob ? URL.createObjectURL(image) : `data:image/jpeg;base64,${image}`})] : []);
      picture.classList.toggle("preview", typeof image === "string");
    }
    announce(record, status);
  };
  const announced = new Set([record.state === "ended" ? record.job.status : record.state]);
  // Each state once, and none that a card had when it was made.
  function announce({body}, status) {
    if (announced.has(status)) return;
    announced.add(status);
    if (["queued", "running", "succeeded", "failed", "canceled", "expired", "refused"].includes(status)) say(`${body.prompt}: ${words(record)}`);
  }
  update();
  return {element, update};
}

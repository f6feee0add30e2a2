// One job, opened: its picture on grounds, its variations, in use, its files, and what to do next.
import {downloads, copyText} from "./downloads.js";
import {el, h, segments, tell} from "./dom.js";
import {show, variations} from "./pictures.js";
import {bar, inFlight, words} from "./progress.js";
import {Refused, url} from "./server.js";
import {decimal, t} from "./strings.js";
import {uses} from "./uses.js";

const GROUNDS = ["white", "dark", "checker"];

export class Stage {
  #record = null;
  #shape = ""; // of what is shown; another one is drawn anew
  #variation = 0;
  #ground = "white";

  // `act`: {same, more, again, cancel, close, forget, compare}
  constructor(desk, act) {
    Object.assign(this, {desk, act, place: el("stage")});
    desk.addEventListener("change", ({detail}) => { if (detail && detail.key === this.#record?.key) this.#update(); });
    setInterval(() => { if (this.#record?.problem?.retryAt) this.#update(); }, 1000);
  }

  get record() {
    return this.#record;
  }

  open(record) {
    [this.#record, this.#shape, this.#variation] = [record, "", 0];
    this.#update();
  }

  // What cannot be opened, and why.
  fail(message) {
    this.#record = null;
    this.place.hidden = false;
    this.place.replaceChildren(h("div.notice", {role: "alert"}, h("p", {}, message), this.#button("close", () => this.act.close())));
  }

  close() {
    this.#record = null;
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  #update() {
    const record = this.#record = this.desk.records.get(this.#record.key) ?? null;
    if (!record) {
      this.act.close();
      return;
    }
    const {job, live, problem} = record;
    const shape = [record.key, record.state, job?.status, live.locked, live.gone, record.cancels, Boolean(problem?.retryAt), firstUrl(job)].join();
    if (shape !== this.#shape) {
      this.#shape = shape;
      // The button that had the focus has it again; if it is gone, the head.
      const focused = this.place.contains(document.activeElement) && document.activeElement;
      this.#draw(record);
      if (focused) (this.place.querySelector(`[data-act="${focused.dataset.act}"]`) ?? el("stage-title")).focus({preventScroll: true});
    }
    this.place.querySelector(".state").textContent = words(record);
    const progress = this.place.querySelector("progress");
    if (progress) bar(progress, record);
    const preview = this.place.querySelector(".preview img");
    if (preview && record.live.preview) preview.src = `data:image/jpeg;base64,${record.live.preview}`;
  }

  #button(name, act, kind = "quiet") {
    return h(`button.${kind}`, {type: "button", "data-act": name, onclick: act}, t(name));
  }

  #draw(record) {
    const {job, body} = record;
    const drawn = job?.status === "succeeded" && record.state === "ended";
    const done = drawn && record.live.gone !== firstUrl(job);
    const facts = job && [`${t("seed")} ${job.seed}`, job.model?.split("/").at(-1), job.timings.denoise && t("drewIn", {n: decimal(job.timings.denoise)})].filter(Boolean).join(" · ");
    const head = h("header.stage-top", {}, h("div", {}, h("h2", {id: "stage-title", tabIndex: -1}, body.prompt),
      h("p.state", {}), facts && h("p.facts", {}, facts)), this.#button("close", () => this.act.close()));
    this.place.hidden = false;
    this.place.setAttribute("aria-labelledby", "stage-title");
    const parts = done ? this.#result(record) : inFlight(record) ? this.#unfinished(record) : this.#kept(record, drawn);
    this.place.replaceChildren(head, ...parts, this.#actions(record, done));
  }

  // What this browser has of a job whose files cannot be had: a small picture.
  #kept({thumb, job}, drawn) {
    return [thumb && h("div.canvas.small-canvas", {}, h("img", {alt: job.prompt, src: URL.createObjectURL(thumb)})),
      drawn && h("div.notice", {role: "alert"}, h("p", {}, t("filesGone")))].filter(Boolean);
  }

  #unfinished(record) {
    const preview = record.live.preview;
    return [h("div.canvas.preview", {}, h("img", {alt: "", src: preview ? `data:image/jpeg;base64,${preview}` : BLANK})),
      h("progress", {max: 1, "aria-label": t("progress")})];
  }

  #result(record) {
    const {job} = record, all = variations(job);
    const picked = all[this.#variation] ?? all[0];
    const lost = found => {
      if (this.#record !== record) return;
      if (found === "gone") {
        record.live.gone = firstUrl(job);
        this.#update();
      } else if (!this.place.querySelector(".stage-main .notice")) {
        const retry = () => { this.#shape = ""; this.#update(); };
        this.place.querySelector(".look").prepend(h("div.notice", {role: "alert"}, h("p", {}, t("filesAway")), this.#button("tryNow", retry)));
      }
    };
    const paint = (path, alt = "") => { const image = h("img", {alt}); show(image, path).then(found => found === "shown" || lost(found)); return image; };
    const canvas = h(`div.canvas.${this.#ground}`, {}, paint(picked.clear ?? picked.png, job.prompt));
    const grounds = h("fieldset.grounds", {}, h("legend.hush", {}, t("grounds")), ...segments("ground", GROUNDS, this.#ground, value => {
      canvas.classList.remove(this.#ground);
      canvas.classList.add(this.#ground = value);
    }, value => t(`ground_${value}`)));
    const strip = all.length > 1 && h("div.strip", {role: "group", "aria-label": t("variations")}, ...all.map(variation =>
      h("button.variation", {type: "button", "aria-pressed": variation === picked, "aria-label": t("variationN", {n: variation.index + 1, seed: variation.seed}), onclick: () => {
        this.#variation = variation.index;
        this.#draw(record);
        this.place.querySelector(".state").textContent = words(record);
        this.place.querySelectorAll(".variation")[variation.index].focus();
      }}, paint(variation.png))));
    const warnings = job.warnings.length > 0 && h("ul.warnings", {}, ...job.warnings.map(({message}) => h("li", {}, message)));
    const palette = job.palette.length > 0 && h("div.palette", {role: "group", "aria-label": t("palette")}, ...distinct(job.palette).map(color => {
      const button = h("button", {type: "button", "aria-label": t("copyColor", {color}), title: color, onclick: () => copyText(color).then(() => tell(t("copied")))});
      button.style.background = color;
      return button;
    }));
    return [h("div.stage-main", {}, h("div.look", {}, canvas, h("div.under", {}, grounds, palette), strip, warnings),
      h("div.side", {}, h("h3", {}, t("inUse")), uses(() => paint(picked.clear ?? picked.png), job.text ?? job.prompt.split(/[,.;:]/)[0].trim().split(/\s+/).slice(-2).join(" ")),
        h("h3", {}, t("files")), downloads(job, picked.index, error => tell(error instanceof Refused ? (error.isGone ? t("filesGone") : error.message) : t("noAnswer")))))];
  }

  #actions(record, done) {
    const buttons = [];
    if (done) {
      const picked = variations(record.job)[this.#variation];
      buttons.push(this.#button("like", () => this.act.more(record), "primary"), this.#button("same", () => this.act.same(record, picked.seed, picked.index + 1)),
        this.#button("compareShort", () => this.act.compare(record, this.#variation)));
    } else if (inFlight(record)) {
      if (record.live.locked || record.problem?.retryAt) buttons.push(this.#button("tryNow", () => this.act.hurry(record)));
      if (!record.cancels && !record.job?.cancel_requested) buttons.push(this.#button("cancel", () => this.act.cancel(record)));
    } else buttons.push(this.#button("drawAgain", () => this.act.again(record, record.job?.seed ?? null), "primary"), this.#button("change", () => this.act.same(record, record.body.seed ?? null)));
    if (record.id) buttons.push(this.#button("copyLink", () => copyText(url(`jobs/${record.id}`).href).then(() => tell(t("copied")))));
    if (!inFlight(record)) buttons.push(this.#button("forget", () => this.act.forget(record)));
    return h("div.actions.stage-actions", {}, ...buttons);
  }
}

// The shades of one colour that a traced drawing has are one here.
const APART = 24;
const channels = color => [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16));
function distinct(colors) {
  const near = (one, other) => channels(one).every((value, at) => Math.abs(value - channels(other)[at]) < APART);
  return colors.filter((color, index) => !colors.slice(0, index).some(earlier => near(earlier, color)));
}

const firstUrl = job => Object.values(job?.urls?.images ?? {})[0] ?? null;
const BLANK = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";

// The work of this browser: submits jobs, follows them, cancels, tries again, forgets. Views listen to "change".
import {TERMINAL, follow, pause} from "./following.js";
import {thumbnail} from "./pictures.js";
import * as records from "./records.js";
import {Refused, Unreachable, call, json} from "./server.js";

// How often a submit that the server could not take is sent again, at the time that it names.
const SUBMITS = 5;
const SUBMIT_PATIENCE_MS = 30_000;
const TICK_MS = 250;

// Also where there is no crypto.randomUUID: pages without TLS.
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");

export class Desk extends EventTarget {
  records = new Map();
  #works = new Map(); // key -> AbortController of what is under way

  async open() {
    records.listen(key => this.#reread(key));
    addEventListener("online", () => { for (const record of this.records.values()) if (record.state === "sending" && record.live.offline) this.hurry(record); });
    for (const record of await records.all()) this.#add(record);
    this.#tell(null);
  }

  get newestFirst() {
    return [...this.records.values()].sort((one, other) => other.at - one.at);
  }

  byId(id) {
    return [...this.records.values()].find(record => record.id === id);
  }

  // `upload`: an image that goes with the body, as a part of its own.
  submit(body, upload = null) {
    const record = {key: random(), id: null, at: Date.now(), body, upload, state: "sending", job: null, problem: null, thumb: null};
    this.#add(record);
    this.#save(record);
    return record;
  }

  // Sends at once what waits for the time that the server named; follows again what needs a key.
  hurry(record) {
    if (record.problem) record.problem.retryAt = 0;
    if (record.live.locked) {
      record.live.locked = false;
      this.#go(record);
      this.#tell(record);
    }
  }

  async cancel(record) {
    // Of a submit without an answer the server may have a job: it is sent until there is one, which is then canceled.
    if (!record.id && (!record.problem || record.problem.code === "unreachable")) {
      record.cancels = true;
      this.hurry(record);
      this.#save(record);
      return;
    }
    this.#works.get(record.key)?.abort();
    if (!record.id) {
      Object.assign(record, {state: "refused", problem: {code: "canceled"}});
      this.#save(record);
      return;
    }
    record.cancels = false;
    try {
      record.job = await json(`api/jobs/${record.id}`, {method: "DELETE"});
      record.state = TERMINAL.includes(record.job.status) ? "ended" : "followed";
    } finally {
      this.#save(record);
      this.#go(record);
    }
  }

  // Out of this browser, and off the server where it can still be reached.
  async forget(record, {onServer = false} = {}) {
    if (onServer && record.id) {
      try {
        await call(`api/jobs/${record.id}?forget=true`, {method: "DELETE"});
      } catch (error) {
        if (!(error instanceof Refused && error.status === 404)) throw error;
      }
    }
    this.#works.get(record.key)?.abort();
    this.records.delete(record.key);
    await records.remove(record.key);
    this.#tell(record);
  }

  // The job as the server has it now; a job that was opened by its link becomes a record.
  async fetch(id) {
    const known = this.byId(id);
    try {
      const job = await json(`api/jobs/${id}?include=none`);
      // Deleted meanwhile.
      if (known && !this.records.has(known.key)) return known;
      const record = known ?? {key: id, id, at: Date.parse(job.created_at), body: bodyOf(job), problem: null, thumb: null};
      Object.assign(record, {job, state: TERMINAL.includes(job.status) ? "ended" : "followed"});
      this.#add(record);
      this.#save(record);
      if (!record.thumb) this.#picture(record);
      return record;
    } catch (error) {
      if (known && error instanceof Refused && error.status === 404) {
        known.state = "gone";
        this.#save(known);
      }
      if (!known || error instanceof Refused && error.status !== 404) throw error;
      return known;
    }
  }

  #add(record) {
    record.live ??= {};
    this.records.set(record.key, record);
    this.#go(record);
  }

  #go(record) {
    const running = this.#works.get(record.key);
    if (running && !running.signal.aborted) return;
    const work = {sending: this.#send, followed: this.#follow}[record.state];
    if (!work || record.live.locked) return;
    const control = new AbortController();
    this.#works.set(record.key, control);
    work.call(this, record, control.signal).finally(() => {
      if (this.#works.get(record.key) === control) this.#works.delete(record.key);
      if (!control.signal.aborted) this.#go(record);
    });
  }

  async #send(record, signal) {
    for (let tries = 1; record.state === "sending"; tries += 1) {
      try {
        const patience = record.upload ? undefined : SUBMIT_PATIENCE_MS;
        record.job = await json("api/jobs", {method: "POST", signal, patience, ...message(record)});
        Object.assign(record, {id: record.job.id, problem: null, state: TERMINAL.includes(record.job.status) ? "ended" : "followed"});
        record.live = {};
        // If that fails the job is followed, and can be canceled again.
        if (record.cancels) return this.cancel(record).catch(() => {});
      } catch (error) {
        if (signal.aborted) return;
        const passes = error instanceof Unreachable || [429, 502, 503, 504].includes(error.status);
        record.live.offline = error instanceof Unreachable;
        record.problem = {code: error.code ?? "unreachable", message: error.message, status: error.status};
        if (record.cancels && error instanceof Refused) Object.assign(record, {state: "refused", cancels: false, problem: {code: "canceled"}});
        else if (!passes || (error instanceof Refused && tries >= SUBMITS)) record.state = "refused";
        else {
          const ms = error.retryAfter * 1000 || Math.min(1000 * 2 ** tries, 15_000);
          record.problem.retryAt = Date.now() + ms;
          this.#save(record);
          while (Date.now() < record.problem.retryAt && !signal.aborted) await pause(TICK_MS, signal);
          if (signal.aborted) return;
          continue;
        }
      }
      this.#save(record);
    }
    if (record.state === "ended") this.#picture(record);
  }

  async #follow(record, signal) {
    await follow(record.id, told => {
      if (signal.aborted) return;
      if ("offline" in told && !told.offline === !record.live.offline) return;
      if (told.job) record.job = told.job;
      if (told.progress) {
        const {queue_position, eta_seconds, ...progress} = told.progress;
        record.job = {...record.job, progress, queue_position, eta_seconds};
      }
      if ("offline" in told) record.live.offline = told.offline;
      if (told.preview) record.live.preview = told.preview;
      if (told.gone) record.state = "gone";
      if (told.locked) record.live.locked = true;
      if (told.job && TERMINAL.includes(record.job.status)) {
        record.state = "ended";
        record.live = {};
      }
      if (told.job || told.gone || told.locked) this.#save(record);
      else this.#tell(record);
    }, signal);
    if (record.state === "ended") await this.#picture(record);
  }

  async #picture(record) {
    if (record.job?.status !== "succeeded" || record.thumb) return;
    try {
      record.thumb = await thumbnail(record.job);
      this.#save(record);
    } catch (error) {
      console.warn("no small picture", error);
    }
  }

  async #reread(key) {
    const found = await records.get(key);
    const mine = this.records.get(key);
    if (!found) {
      this.#works.get(key)?.abort();
      this.records.delete(key);
    } else if (mine) Object.assign(mine, found);
    else this.records.set(key, {...found, live: {}});
    const record = this.records.get(key);
    // The tab that sends it goes on with that.
    if (record && record.state !== "sending") this.#go(record);
    this.#tell(record ?? null);
  }

  #save(record) {
    if (this.records.has(record.key)) records.put(record);
    this.#tell(record);
  }

  #tell(record) {
    this.dispatchEvent(new CustomEvent("change", {detail: record}));
  }
}

function message({key, body, upload}) {
  const headers = {"Idempotency-Key": key};
  if (!upload) return {headers: {...headers, "Content-Type": "application/json"}, body: JSON.stringify(body)};
  const parts = new FormData();
  for (const [name, value] of Object.entries(body)) parts.append(name, typeof value === "string" ? value : JSON.stringify(value));
  parts.append("image", upload, upload.name ?? "image");
  return {headers, body: parts};
}

// What asks for the same drawing again, as far as an answer says it.
export function bodyOf(job) {
  const shape = job.width ? {width: job.width, height: job.height} : {sizes: job.sizes};
  const body = {prompt: job.prompt, ...shape, num_images: job.num_images};
  const formats = [...new Set(job.files.map(file => file.format))].filter(format => !["png", "zip"].includes(format));
  if (formats.length) body.formats = ["png", ...formats];
  if (job.files.some(file => file.name.includes("transparent"))) body.transparent = true;
  if (job.files.some(file => file.format === "zip")) body.icons = true;
  for (const name of ["style", "text", "layout", "background_color"]) if (job[name]) body[name] = job[name];
  if (job.colors.length) body.colors = job.colors;
  // Of a drawing that starts from an image, only some were drawn.
  if (job.progress.steps && job.strength === null) body.steps = job.progress.steps / job.num_images;
  return body;
}

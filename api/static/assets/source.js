// An image to start from: dropped, pasted, chosen, or one of an own job; and how much of it stays.
import {h, say} from "./dom.js";
import {t} from "./strings.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MOST_BYTES = 8 * 2 ** 20;

export class Source {
  upload = null;
  #job = null;
  #number = 1; // of its variations
  #strength = 0.6;

  constructor(place, offered) {
    this.place = place;
    if (!offered) return;
    this.#show();
    // Text that is pasted or dropped goes where it is meant for.
    document.addEventListener("paste", event => this.#take([...event.clipboardData.files][0], event));
    for (const name of ["dragover", "drop"]) {
      document.addEventListener(name, event => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        if (name === "drop") this.#take(event.dataTransfer.files[0]);
      });
    }
  }

  body() {
    if (!this.upload && !this.#job) return {};
    const job = this.#job ? {image: this.#job, ...(this.#number > 1 ? {image_number: this.#number} : {})} : {};
    return {strength: this.#strength, ...job};
  }

  takeJob(id, number, body) {
    this.clear(false);
    [this.#job, this.#number] = [id, number];
    this.#strength = body.strength ?? this.#strength;
    this.#show();
  }

  // The image of an earlier request.
  takeFile(file, body) {
    this.clear(false);
    this.upload = file;
    this.#strength = body.strength ?? this.#strength;
    this.#show();
  }

  clear(show = true) {
    this.upload = this.#job = null;
    if (show && this.place.children.length) this.#show();
  }

  #take(file, event) {
    if (!file) return;
    event?.preventDefault();
    if (!TYPES.includes(file.type)) return this.#show(t("sourceType"));
    if (file.size > MOST_BYTES) return this.#show(t("sourceLarge"));
    this.#job = null;
    this.upload = file;
    this.#show();
    say(t("sourceTaken", {name: file.name}));
    // What was said of the one before is over.
    this.place.dispatchEvent(new Event("change", {bubbles: true}));
  }

  #show(wrong = "") {
    const input = h("input", {type: "file", accept: TYPES.join(), className: "hush", id: "source-file", onchange: () => this.#take(input.files[0])});
    const parts = [];
    if (this.upload || this.#job) {
      const image = this.upload && h("img", {src: URL.createObjectURL(this.upload), alt: "", width: 56, height: 56});
      const strength = h("input", {type: "range", min: 0, max: 1, step: 0.05, value: this.#strength, id: "strength", oninput: () => { this.#strength = Number(strength.value); }});
      parts.push(h("div.source", {}, image, h("span.grow", {}, this.upload ? this.upload.name : t("sourceJob")),
        h("button.quiet.small", {type: "button", "aria-label": t("remove", {what: t("source")}), onclick: () => { this.clear(); this.place.querySelector("input").focus(); }}, "×")),
      h("label", {htmlFor: "strength"}, t("strength")), strength);
    } else parts.push(input, h("label.drop", {htmlFor: "source-file"}, t("sourceDrop")));
    this.place.replaceChildren(...parts, ...(wrong ? [h("p.wrong", {role: "alert"}, wrong)] : []));
  }
}

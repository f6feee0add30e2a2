// The brand's colours, and the ground's.
import {h} from "./dom.js";
import {t} from "./strings.js";

// Suggested in this order. Any two are far apart: the server takes no colour twice, and none that is its ground's.
const FIRST = ["#0a7b83", "#e4572e", "#f3a712", "#2e4057", "#7a306c", "#111111", "#5a8f3c", "#c9a27e"];

export class Colors {
  #colors = [];
  #ground = null;

  // `changed` is told whether the ground has a colour.
  constructor(place, most, withGround, changed) {
    Object.assign(this, {place, most, withGround, changed});
    this.#show();
  }

  body() {
    return {...(this.#colors.length ? {colors: this.#colors} : {}), ...(this.#ground ? {background_color: this.#ground} : {})};
  }

  take(body) {
    this.#colors = [...(body.colors ?? [])];
    this.#ground = body.background_color ?? null;
    this.#show();
  }

  #show() {
    const chosen = this.#colors.map((color, index) => this.#swatch(color, t("colorN", {n: index + 1}),
      value => { this.#colors[index] = value; }, () => this.#colors.splice(index, 1)));
    const add = this.#colors.length < this.most && h("button.quiet", {type: "button", onclick: () => {
      this.#colors.push(FIRST.find(color => color !== this.#ground && !this.#colors.includes(color)) ?? FIRST[0]);
      this.#show();
      this.place.querySelectorAll("input")[this.#colors.length - 1].focus();
    }}, t("addColor"));
    const ground = this.withGround && (this.#ground
      ? this.#swatch(this.#ground, t("ground"), value => { this.#ground = value; }, () => { this.#ground = null; })
      : h("button.quiet", {type: "button", onclick: () => { this.#ground = "#ffffff"; this.#show(); }}, t("addGround")));
    this.place.replaceChildren(...[...chosen, add, ground].filter(Boolean));
    this.changed(Boolean(this.#ground));
  }

  #swatch(color, label, change, remove) {
    return h("span.swatch", {},
      h("input", {type: "color", value: color, "aria-label": label, title: label, oninput: event => change(event.target.value)}),
      h("button.quiet.small", {type: "button", "aria-label": t("remove", {what: label}), onclick: () => { remove(); this.#show(); this.place.querySelector(":scope > button").focus(); }}, "×"));
  }
}

// Makes elements: h("button.primary", {type: "button", onclick}, "Draw"). Text is always text, never markup.
import {decimal, t} from "./strings.js";

export const el = id => document.getElementById(id);

export function h(what, props = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name in element && !name.startsWith("aria-") && name !== "role") element[name] = value;
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

const LONG = 7; // characters that fit one column of the row
// A row of buttons of which one is chosen: radio buttons, so that arrow keys work. `choose` is told the value.
export function segments(name, values, chosen, choose, label = String) {
  return values.map(value =>
    h(label(value).length > LONG ? "label.segment.long" : "label.segment", {},
      h("input", {type: "radio", name, value, checked: value === chosen, onchange: () => choose(value)}),
      h("span", {}, label(value))));
}

const SAID_MS = 6000;
let said = 0;
// Tells a screen reader what has changed and is seen anyway.
export function say(text, shown = false) {
  el("live").textContent = text;
  el("live").className = shown ? "toast" : "hush";
  clearTimeout(said);
  said = setTimeout(() => { el("live").textContent = ""; el("live").className = "hush"; }, SAID_MS);
}

// Tells everybody: what was done, or why not, is nowhere else on the page.
export const tell = text => say(text, true);

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${Math.round(count / 1000)} kB`;
  return count < 1e9 ? `${decimal(count / 1e6)} MB` : `${decimal(count / 1e9)} GB`;
}

export function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 90 ? t("seconds", {n: whole}) : t("minutes", {n: Math.round(whole / 60)});
}

// The form: from its controls to the body of a submit, and back. Controls of fields that this server does not know stay
// hidden; what a field may be comes from the server too.
import {Colors} from "./colors.js";
import {el, h, segments} from "./dom.js";
import {options} from "./server.js";
import {Source} from "./source.js";
import {t, suggestions} from "./strings.js";
import {Styles} from "./styles.js";

const SIZES = [256, 512, 1024, 2048];
const SHAPES = ["3:2", "2:1", "3:1", "4:1", "2:3", "1:2", "1:3"]; // of those that the server has; 1:1 is a square
const {fields} = options;

// The schema of a field behind `null` and lists of alternatives.
const schema = name => fields[name]?.anyOf?.find(part => part.type !== "null") ?? fields[name] ?? {};

export class Form {
  #count = 1;
  #aspect = null;
  #locked = false;

  constructor(submit) {
    for (const part of document.querySelectorAll("[data-field]")) part.hidden = !(part.dataset.field in fields);
    this.styles = new Styles(el("styles"), "style" in fields);
    this.colors = new Colors(el("colors"), schema("colors").maxItems ?? 6, "background_color" in fields);
    this.source = new Source(el("source"), "strength" in fields);
    this.#fill();
    el("form").addEventListener("submit", event => { event.preventDefault(); this.#submit(submit); });
    el("form").addEventListener("keydown", event => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) el("form").requestSubmit();
    });
    // Enter in the prompt draws, as in a search; Shift and Enter is a new line.
    el("prompt").addEventListener("keydown", event => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); el("form").requestSubmit(); }
    });
    el("prompt").addEventListener("input", () => this.wrong(""));
    el("dice").addEventListener("click", () => this.#seed(crypto.getRandomValues(new Uint32Array(1))[0], true));
    el("lock").addEventListener("click", () => this.#lock(!this.#locked));
    el("seed").addEventListener("input", () => this.#lock(el("seed").value !== ""));
  }

  #fill() {
    el("suggestions").replaceChildren(...suggestions().map(text =>
      h("button.chip", {type: "button", onclick: () => { el("prompt").value = text; el("prompt").focus(); this.wrong(""); }}, text)));
    this.#counts();
    const {minimum = 64, maximum = 2048} = fields.sizes?.items ?? {};
    el("size").replaceChildren(...SIZES.filter(size => size >= minimum && size <= maximum).map(size =>
      h("option", {value: size, selected: size === 512}, `${size} px`)));
    Object.assign(el("steps"), {min: schema("steps").minimum ?? 1, max: schema("steps").maximum ?? 50});
    Object.assign(el("seed"), {min: 0, max: schema("seed").maximum ?? 2 ** 32 - 1});
    el("text").maxLength = schema("text").maxLength ?? 40;
    el("layout").replaceChildren(h("option", {value: ""}, t("auto")), ...(schema("layout").enum ?? []).map(value => h("option", {value}, t(`layout_${value}`))));
    this.#aspects();
  }

  #counts() {
    const most = fields.num_images?.maximum ?? 1;
    const values = Array.from({length: most}, (_, index) => index + 1);
    el("counts").replaceChildren(...segments("count", values, this.#count, value => { this.#count = value; }));
  }

  #aspects() {
    const offered = schema("aspect").enum ?? [];
    const values = [null, ...SHAPES.filter(value => offered.includes(value) || value === this.#aspect)];
    el("aspects").replaceChildren(...segments("aspect", values, this.#aspect,
      value => { this.#aspect = value; el("size").disabled = value !== null; }, value => value ?? t("square")));
  }

  // A job of another client may have a size that is not offered here.
  #size(value) {
    if (![...el("size").options].some(option => option.value === String(value))) el("size").append(h("option", {value}, `${value} px`));
    el("size").value = value;
  }

  #seed(value, locked) {
    el("seed").value = value ?? "";
    this.#lock(locked);
  }

  #lock(locked) {
    this.#locked = locked;
    el("lock").setAttribute("aria-pressed", locked);
    el("lock").textContent = locked ? t("locked") : t("lock");
  }

  // Shows what is wrong with the request, at its field if there is one.
  wrong(message) {
    el("wrong").textContent = message;
    el("prompt").setAttribute("aria-invalid", Boolean(message));
  }

  async #submit(submit) {
    const prompt = el("prompt").value.trim();
    const {minLength = 3} = fields.prompt;
    if (prompt.length < minLength) {
      this.wrong(t("promptShort", {n: minLength}));
      el("prompt").focus();
      return;
    }
    const wrong = ["steps", "seed"].find(id => !el(id).checkValidity());
    if (wrong) {
      el(wrong).closest("details").open = true;
      this.wrong(t("outOfBounds", {field: t(wrong), low: el(wrong).min, high: el(wrong).max}));
      el(wrong).focus();
      return;
    }
    this.wrong("");
    submit(this.body(prompt), this.source.upload);
    // An open seed is chosen anew for each drawing.
    if (!this.#locked) el("seed").value = "";
  }

  body(prompt) {
    const body = {prompt, num_images: this.#count};
    if (this.#aspect) body.aspect = this.#aspect;
    else body.sizes = [Number(el("size").value)];
    const formats = ["png", ...["svg", "webp"].filter(format => el(format).checked)];
    if (formats.length > 1) body.formats = formats;
    for (const name of ["transparent", "icons"]) if (el(name).checked) body[name] = true;
    if (el("literal").checked) body.enhance = false;
    if (el("steps").value) body.steps = Number(el("steps").value);
    if (this.#locked && el("seed").value) body.seed = Number(el("seed").value);
    if ("text" in fields && el("text").value.trim()) body.text = el("text").value.trim();
    if ("layout" in fields && el("layout").value) body.layout = el("layout").value;
    const whole = {...body, ...this.styles.body(), ...this.colors.body(), ...this.source.body()};
    // A ground of its own colour is none that is taken away.
    if (whole.background_color) delete whole.transparent;
    return whole;
  }

  // Sets the controls to those of an earlier body; `seed` locks it.
  take(body, {seed = null, count = body.num_images ?? 1, image = null, number = 1} = {}) {
    el("prompt").value = body.prompt;
    this.#count = count;
    this.#aspect = body.aspect ?? null;
    this.#counts();
    this.#aspects();
    this.#size(Math.max(...(body.sizes?.length ? body.sizes : [512])));
    el("size").disabled = this.#aspect !== null;
    for (const format of ["svg", "webp"]) el(format).checked = (body.formats ?? []).includes(format);
    for (const name of ["transparent", "icons"]) el(name).checked = Boolean(body[name]);
    el("literal").checked = body.enhance === false;
    el("steps").value = body.steps ?? "";
    el("text").value = body.text ?? "";
    el("layout").value = body.layout ?? "";
    this.styles.take(body);
    this.colors.take(body);
    if (image) this.source.takeJob(image, number, body);
    else this.source.clear();
    this.#seed(seed, seed !== null);
    this.wrong("");
    el("prompt").focus();
    el("prompt").scrollIntoView({block: "center"});
  }
}

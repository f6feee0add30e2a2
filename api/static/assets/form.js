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

// The control at which a refusal of the server is shown, by the field that it names; the prompt for any other.
const AT = {
  prompt: "prompt", style: "styles", colors: "colors", background_color: "colors", text: "text", layout: "layout", aspect: "aspects",
  width: "aspects", height: "aspects", sizes: "size", num_images: "counts", image: "source", image_number: "source", strength: "source",
  formats: "webp", transparent: "transparent", icons: "icons", steps: "steps", seed: "seed", enhance: "literal",
};

export class Form {
  #count = 1;
  #aspect = null;
  #canvas = null; // {width, height} of an earlier job whose shape has no name here
  #more = []; // formats of an earlier job that have no control here
  #locked = false;

  constructor(submit) {
    for (const part of document.querySelectorAll("[data-field]")) part.hidden = !(part.dataset.field in fields);
    this.styles = new Styles(el("styles"), "style" in fields);
    // A ground of its own colour is none that is taken away.
    this.colors = new Colors(el("colors"), schema("colors").maxItems ?? 6, "background_color" in fields, ground => { el("transparent").disabled = ground; });
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
    for (const event of ["input", "change"]) el("form").addEventListener(event, () => this.wrong(""));
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
    const canvas = this.#canvas && `${this.#canvas.width} × ${this.#canvas.height}`;
    const known = [...SHAPES.filter(value => offered.includes(value)), ...this.#canvas ? [canvas] : []];
    // An earlier job may have one that is not offered here.
    const values = [null, ...known, ...this.#aspect && !known.includes(this.#aspect) ? [this.#aspect] : []];
    el("aspects").replaceChildren(...segments("aspect", values, this.#aspect,
      value => { this.#aspect = value; el("size").disabled = value !== null; }, value => value ?? t("square")));
    el("size").disabled = this.#aspect !== null;
  }

  // A job of another client may have sizes that are not offered here, and several.
  #sizes(sizes) {
    const value = sizes.join();
    if (![...el("size").options].some(option => option.value === value)) el("size").append(h("option", {value}, `${sizes.join(", ")} px`));
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

  // Shows what is wrong with the request, at the control of its field if there is one.
  wrong(message, field = null) {
    if (el("wrong").textContent === message) return;
    el("wrong").textContent = message;
    for (const marked of document.querySelectorAll("[aria-invalid=true], .invalid")) {
      marked.removeAttribute("aria-invalid");
      marked.classList.remove("invalid");
    }
    if (!message) return;
    const place = el(AT[field] ?? "prompt");
    place.closest("details")?.setAttribute("open", "");
    if (place.matches("input, select, textarea")) place.setAttribute("aria-invalid", true);
    else place.classList.add("invalid");
  }

  // What the server refused: the message names a field of the request first.
  refused(message) {
    const field = message.match(/^(\w+)(?=[.:])/)?.[1];
    this.wrong(message, field);
    const place = el(AT[field] ?? "prompt");
    (place.matches("input, select, textarea") ? place : place.querySelector("input:checked, input, button"))?.focus();
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
      this.wrong(t("outOfBounds", {field: t(wrong), low: el(wrong).min, high: el(wrong).max}), wrong);
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
    if (this.#canvas && this.#aspect?.includes("×")) Object.assign(body, this.#canvas);
    else if (this.#aspect) body.aspect = this.#aspect;
    else body.sizes = el("size").value.split(",").map(Number);
    const formats = ["png", ...["svg", "webp"].filter(format => el(format).checked), ...this.#more];
    if (formats.length > 1) body.formats = formats;
    for (const name of ["transparent", "icons"]) if (el(name).checked && !el(name).disabled) body[name] = true;
    if (el("literal").checked) body.enhance = false;
    if (el("steps").value) body.steps = Number(el("steps").value);
    if (this.#locked && el("seed").value) body.seed = Number(el("seed").value);
    if ("text" in fields && el("text").value.trim()) body.text = el("text").value.trim();
    if ("layout" in fields && el("layout").value) body.layout = el("layout").value;
    return {...body, ...this.styles.body(), ...this.colors.body(), ...this.source.body()};
  }

  // Sets the controls to those of an earlier body; `seed` locks it. It starts from variation `number` of the job
  // `image`, or from what the earlier one started from.
  take(body, {seed = null, image = null, number = 1, upload = null} = {}) {
    el("prompt").value = body.prompt;
    this.#count = body.num_images ?? 1;
    this.#canvas = body.width ? {width: body.width, height: body.height} : null;
    this.#aspect = this.#canvas ? `${body.width} × ${body.height}` : body.aspect ?? null;
    this.#counts();
    this.#aspects();
    this.#sizes(body.sizes?.length ? body.sizes : [512]);
    this.#more = (body.formats ?? []).filter(format => !["png", "svg", "webp"].includes(format));
    for (const format of ["svg", "webp"]) el(format).checked = (body.formats ?? []).includes(format);
    for (const name of ["transparent", "icons"]) el(name).checked = Boolean(body[name]);
    el("literal").checked = body.enhance === false;
    el("steps").value = body.steps ?? "";
    el("text").value = body.text ?? "";
    el("layout").value = body.layout ?? "";
    this.styles.take(body);
    this.colors.take(body);
    if (image) this.source.takeJob(image, number, body);
    else if (upload) this.source.takeFile(upload, body);
    else if (body.image) this.source.takeJob(body.image, body.image_number ?? 1, body);
    else this.source.clear();
    this.#seed(seed, seed !== null);
    this.wrong("");
    el("prompt").focus();
    el("prompt").scrollIntoView({block: "center"});
  }
}

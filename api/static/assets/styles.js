// The style picker: the server's styles with a picture each, and none.
import {h} from "./dom.js";
import {show} from "./pictures.js";
import {json} from "./server.js";
import {t} from "./strings.js";

export class Styles {
  #chosen = null;
  #styles = [];

  constructor(place, offered) {
    this.place = place;
    if (offered) this.#load();
  }

  async #load() {
    try {
      const found = await json("api/styles");
      this.#styles = found.styles ?? found;
      this.#show();
    } catch {
      this.place.closest("fieldset").hidden = true;
    }
  }

  body() {
    return this.#chosen ? {style: this.#chosen} : {};
  }

  take(body) {
    this.#chosen = body.style ?? null;
    this.#show();
  }

  #show() {
    this.place.replaceChildren(...[{name: null}, ...this.#styles].map(style => {
      const image = h("img", {alt: "", width: 64, height: 64, loading: "lazy"});
      const path = style.picture ?? style.image ?? style.url;
      if (path) show(image, path);
      return h("label.style", {title: style.description ?? ""},
        h("input", {type: "radio", name: "style", checked: style.name === this.#chosen, onchange: () => { this.#chosen = style.name; }}),
        path ? image : h("span.nothing", {"aria-hidden": "true"}), h("span", {}, style.name ? style.title ?? style.name.replaceAll("_", " ") : t("noStyle")));
    }));
  }
}

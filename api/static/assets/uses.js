// A logo in use: as an app's icon, on a card, in the header of a site. `paint` gives a new picture of it.
import {h} from "./dom.js";
import {t} from "./strings.js";

const line = width => h("i", {className: `line ${width}`});

export function uses(paint, name) {
  const figure = (kind, ...parts) => h(`figure.use.${kind}`, {}, h("div.scene", {"aria-hidden": "true"}, ...parts), h("figcaption", {}, t(`use_${kind}`)));
  return h("div.uses", {},
    figure("app", h("span.tile", {}, paint()), h("span.name", {}, name)),
    figure("paper", h("div.paper-card", {}, paint(), h("div.lines", {}, line("w7"), line("w5"), line("w6")))),
    figure("header", h("div.site", {}, h("div.site-top", {}, paint(), line("w3"), line("w2"), line("w2"), h("b", {})), h("div.site-hero", {}, line("w7"), line("w5")))));
}

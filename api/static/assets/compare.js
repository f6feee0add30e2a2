// Several pictures side by side, on one ground.
import {h, segments} from "./dom.js";
import {show, variations} from "./pictures.js";
import {t} from "./strings.js";

export function compare(chosen) {
  let ground = "white";
  const figures = chosen.map(({record, index}) => {
    const {job} = record, picked = variations(job)[index] ?? variations(job)[0];
    const image = h("img", {alt: job.prompt});
    show(image, picked.clear ?? picked.png).then(found => {
      // What cannot be had is shown small, from this browser.
      if (found !== "shown" && record.thumb) image.src = URL.createObjectURL(record.thumb);
    });
    return h("figure", {}, h(`div.canvas.${ground}`, {}, image), h("figcaption", {}, `${job.prompt}, ${t("seed")} ${picked.seed}`));
  });
  const dialog = h("dialog.compare", {"aria-labelledby": "compare-title"},
    h("header.stage-top", {}, h("h2", {id: "compare-title"}, t("compareTitle")),
      h("fieldset.grounds", {}, h("legend.hush", {}, t("grounds")), ...segments("compare-ground", ["white", "dark", "checker"], ground, value => {
        for (const canvas of dialog.querySelectorAll(".canvas")) canvas.classList.replace(ground, value);
        ground = value;
      }, value => t(`ground_${value}`))),
      h("button.quiet", {type: "button", onclick: () => dialog.close()}, t("close"))),
    h("div.sides", {}, ...figures));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

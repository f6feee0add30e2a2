// The dialog that asks for an API key.
import {h} from "./dom.js";
import {t} from "./strings.js";

// The key that was typed, or an empty text if the dialog was left.
export function askForKey(wrong, {title = t("keyTitle"), why = t("keyWhy"), label = t("key")} = {}) {
  return new Promise(answer => {
    const input = h("input", {id: "key", type: "password", required: true, autocomplete: "off"});
    const dialog = h("dialog.key", {"aria-labelledby": "key-title"},
      h("form", {method: "dialog"},
        h("h2", {id: "key-title"}, title),
        h("p", {id: "key-why", role: wrong ? "alert" : undefined}, wrong ? t("keyWrong") : why),
        h("div.field", {}, h("label", {htmlFor: "key"}, label), input),
        h("div.actions", {},
          h("button.quiet", {type: "button", onclick: () => dialog.close("")}, t("leave")),
          h("button.primary", {value: "given"}, t("goOn")))));
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "given" ? input.value.trim() : "";
      dialog.remove();
      answer(given);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

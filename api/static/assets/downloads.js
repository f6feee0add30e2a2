// The files of a job: each with a button to save it and one to copy it as a data URL.
import {bytes, h, tell} from "./dom.js";
import {file} from "./pictures.js";
import {t} from "./strings.js";

// [{name, url, note}] of one variation: plain PNGs, then what was made beside them. Names of the second one end in -2,
// before the extension or before "-transparent"; those without a number belong to the first, or to all.
export function filesOf(job, index) {
  const urls = job.variations[index]?.urls ?? job.urls.images;
  const end = index ? `-${index + 1}` : "";
  const plain = Object.entries(urls).map(([size, url]) => ({name: `${size}${end}.png`, url, note: `${size.replace("x", " × ")} px`}));
  const mine = name => (name.match(/-([2-9])(?=-transparent|\.)/)?.[1] ?? "1") === String(index + 1);
  const made = job.files.filter(({name}) => mine(name)).map(({name, url, width, height, bytes: count}) =>
    ({name, url, note: [width ? `${width} × ${height}` : "", bytes(count)].filter(Boolean).join(", ")}));
  return [...plain, ...made];
}

const stem = job => job.prompt.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "").slice(0, 40) || "logo";

async function save(job, name, url) {
  const address = URL.createObjectURL(await file(url));
  h("a", {href: address, download: `${stem(job)}-${name}`}).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function copy(url) {
  const blob = await file(url);
  const data = await new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(blob);
  });
  await copyText(data);
}

// The clipboard is for pages with TLS or of this machine; elsewhere a text field is copied from.
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = h("textarea", {value: text, className: "hush"});
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  return field.remove();
}

export function downloads(job, index, failed) {
  const button = (label, name, act, told) => h("button.quiet.small", {type: "button", "aria-label": `${label}: ${name}`, onclick: async () => {
    try {
      await act();
      if (told) tell(told);
    } catch (error) {
      failed(error);
    }
  }}, label);
  return h("ul.files", {}, ...filesOf(job, index).map(({name, url, note}) => h("li", {"data-name": name},
    h("span.name", {}, name, h("span.note", {}, note)),
    button(t("download"), name, () => save(job, name, url)),
    button(t("copyData"), name, () => copy(url), t("copied")))));
}

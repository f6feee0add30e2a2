// Pictures of jobs: fetched with the key, kept in memory, shown from there.
import {Refused, call} from "./server.js";

const KEPT = 80;
const THUMB = 224;
const kept = new Map(); // path -> promise of {blob, url}

// The file at `path`, whole.
export async function file(path) {
  return (await picture(path)).blob;
}

export function picture(path) {
  const found = kept.get(path) ?? fetched(path);
  kept.delete(path);
  kept.set(path, found); // the newest last
  if (kept.size > KEPT) {
    const [oldest, let_go] = kept.entries().next().value;
    kept.delete(oldest);
    let_go.then(({url}) => URL.revokeObjectURL(url), () => {});
  }
  return found;
}

function fetched(path) {
  const found = call(path).then(response => response.blob()).then(blob => ({blob, url: URL.createObjectURL(blob)}));
  // What failed is asked for again.
  found.catch(() => kept.delete(path));
  return found;
}

// Shows the file at `path` in `image`, and says what came of it: "shown", "gone" where the server has it no more, else
// "away".
export async function show(image, path) {
  try {
    image.src = (await picture(path)).url;
    await image.decode();
    return "shown";
  } catch (error) {
    return error instanceof Refused && error.isGone ? "gone" : "away";
  }
}

// Each variation of a job that has succeeded: {index, seed, png, clear}, the URLs of its largest PNG and of the
// transparent one if there is one.
export function variations(job) {
  // Of a square "512", of another shape "1536x512".
  const pixels = name => {
    const [width, height = width] = name.split("x").map(Number);
    return width * height;
  };
  const several = job.variations.length ? job.variations : [{seed: job.seed, urls: job.urls.images}];
  return several.map(({seed, urls}, index) => {
    const end = index ? `-${index + 1}` : "";
    const size = Object.keys(urls).toSorted((one, other) => pixels(one) - pixels(other)).at(-1);
    const clear = job.files.find(({name}) => name === `${size}${end}-transparent.png`);
    return {index, seed, png: urls[size], clear: clear?.url ?? null};
  });
}

// A small picture of the first variation, to keep in the browser.
export async function thumbnail(job) {
  const [first] = variations(job);
  const bitmap = await createImageBitmap(await file(first.clear ?? first.png));
  const scale = Math.min(1, THUMB / Math.max(bitmap.width, bitmap.height));
  const canvas = Object.assign(document.createElement("canvas"), {width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale)});
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise(done => canvas.toBlob(done, "image/webp", 0.9));
}

// Calls of the API. A 401 asks for a key, which is held for the browser's session; the call is then made again.
import {askForKey} from "./keyring.js";
import {t} from "./strings.js";

// Where the API is, also below a path: this file is at ROOT/static/VERSION/server.js.
export const ROOT = new URL("../../", import.meta.url);
export const options = JSON.parse(document.getElementById("options").textContent);

// An operator's key is another one than that of jobs.
const KEPT = document.documentElement.dataset.key ?? "logo-key";
let key = sessionStorage.getItem(KEPT) ?? "";

// The server's own answer that something is wrong.
export class Refused extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    Object.assign(this, {status, code, retryAfter});
  }

  // Whether the server has what was asked for no more, or no more under this URL.
  get isGone() {
    return [403, 404, 410].includes(this.status);
  }
}

// No answer: the network, or a server that is away.
export class Unreachable extends Error {}

export const url = path => new URL(path, ROOT);

export function setKey(value) {
  key = value;
  if (value) sessionStorage.setItem(KEPT, value);
  else sessionStorage.removeItem(KEPT);
}

export const hasKey = () => Boolean(key);

async function once(path, {patience, ...init}, offered) {
  const headers = new Headers(init.headers), address = url(path);
  // A header has bytes: those of UTF-8, as other clients send a key. A signed URL needs none, and may lead to another
  // server, that of the images.
  if (offered && !address.searchParams.has("signature")) headers.set("X-API-Key", String.fromCharCode(...new TextEncoder().encode(offered)));
  const signals = [init.signal, patience && AbortSignal.timeout(patience)].filter(Boolean);
  try {
    return await fetch(address, {...init, headers, signal: AbortSignal.any(signals)});
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable(String(error));
  }
}

let asking = null;
async function newKey(refused) {
  // Calls that were refused together ask once.
  asking ??= askForKey(Boolean(refused)).finally(() => { asking = null; });
  const given = await asking;
  if (given) setKey(given);
  return given;
}

// The response of a call that succeeded. Throws Refused or Unreachable. `patience`: milliseconds, after which a server
// that has not answered is out of reach.
export async function call(path, init = {}) {
  let offered = key;
  let response = await once(path, init, offered);
  while (response.status === 401) {
    // Another call may have asked meanwhile.
    if (key === offered && !await newKey(offered)) break;
    offered = key;
    response = await once(path, init, offered);
  }
  if (response.ok) return response;
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  let error = {code: "http_error", message: response.status === 413 ? t("tooLarge") : t("answered", {status: response.status})};
  try {
    error = (await response.json()).error ?? error;
  } catch { /* not the server's own answer: a proxy's page */ }
  // What is wrong with several fields together is said of the body.
  throw new Refused(response.status, error.code, error.message.replace(/^body: /, ""), retryAfter);
}

export const json = async (path, init) => (await call(path, init)).json();

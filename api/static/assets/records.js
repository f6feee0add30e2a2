// What was drawn in this browser: an IndexedDB of records, and word to the other tabs of each change.
//
// A record: {key, id, at, body, upload, state, job, problem, cancels, thumb}. `key` is the Idempotency-Key of its submit;
// `upload` an image that goes with it; `state` is sending, followed, ended, refused or gone; `cancels` that it is to be
// canceled as soon as the server answers; `thumb` is a small picture (a Blob) that outlives the server's.
//
// Servers below several paths of one host share an origin, and have databases of their own.
import {ROOT} from "./server.js";

const NAME = ROOT.pathname === "/" ? "logo-studio" : `logo-studio ${ROOT.pathname}`, STORE = "records";
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(NAME) : null;
let opened = null;

function database() {
  opened ??= new Promise((done, fail) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, {keyPath: "key"}).createIndex("id", "id");
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => fail(asked.error);
  });
  return opened;
}

async function run(mode, act) {
  const store = (await database()).transaction(STORE, mode).objectStore(STORE);
  return new Promise((done, fail) => {
    const asked = act(store);
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => fail(asked.error);
  });
}

// A browser that keeps nothing (a private window of some) still draws: history is then of this page alone.
async function ifKept(work, otherwise) {
  try {
    return await work();
  } catch (error) {
    console.warn("history is not kept", error);
    return otherwise;
  }
}

export const all = () => ifKept(() => run("readonly", store => store.getAll()), []);
export const get = key => ifKept(() => run("readonly", store => store.get(key)), undefined);

export async function put({live: _, ...record}) {
  await ifKept(() => run("readwrite", store => store.put(record)));
  channel?.postMessage(record.key);
}

export async function remove(key) {
  await ifKept(() => run("readwrite", store => store.delete(key)));
  channel?.postMessage(key);
}

// `changed` is told the key of each record that another tab has written or removed.
export function listen(changed) {
  channel?.addEventListener("message", event => changed(event.data));
}

// One connection to a stream of server-sent events. The browser's own EventSource sends no key and hides the status of
// a refusal; this reads the same stream by fetch (docs/decisions/0030-studio.md).
import {call} from "./server.js";

// The server sends a comment every 15 s: without anything for this long, the connection is dead.
const SILENT_MS = 40_000;

export class Cut extends Error {}

// Yields {event, id, data}. Ends where the server ends the stream; throws what `call` throws, or Cut.
export async function* events(path, {signal, lastId}) {
  const headers = {Accept: "text/event-stream", ...(lastId ? {"Last-Event-ID": lastId} : {})};
  const response = await call(path, {headers, signal, cache: "no-store"});
  if (response.status === 204) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const {done, value} = await within(SILENT_MS, reader.read());
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const found = parse(block);
        if (found) yield found;
      }
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Cut(String(error));
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return fields.data ? {event: fields.event, id: fields.id, data: JSON.parse(fields.data)} : null;
}

function within(ms, promise) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Cut("silent")), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

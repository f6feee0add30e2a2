// A webhook is verified with svix, and a changed one is refused.
import { Webhook } from "svix";
import { save } from "./jobs.mjs";
import { received, secret } from "./webhook_receiver.mjs";

const [payload, headers] = await received();
const wh = new Webhook(secret);
wh.verify(payload, headers);
await save(JSON.parse(payload).data);
let taken = true;
try {
  wh.verify(payload.replace("succeeded", "failed"), headers);
} catch {
  taken = false;
}
if (taken) throw new Error("a changed body was taken");

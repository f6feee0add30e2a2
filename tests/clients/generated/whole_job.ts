// A whole job with the client that @hey-api/openapi-ts makes of the OpenAPI page.
import fs from "node:fs";
import { followJob, getImage, getJob, listModels, submitJob, type JobStatus } from "./client/index.js";
import { client } from "./client/client.gen.js";

client.setConfig({ baseUrl: process.env.LOGO_URL! });

const running: JobStatus[] = ["queued", "running", "finishing"];
const headers = { "Idempotency-Key": "typescript", Prefer: "wait=1" };
const submitted = await submitJob({ body: { prompt: "a red fox head, geometric", sizes: [256] }, headers });
if (!submitted.data) throw new Error(submitted.error.error.message);
let job = submitted.data;
while (running.includes(job.status)) {
  const answer = await getJob({ path: { job_id: job.id }, query: { wait: 25, include: "none" } });
  if (!answer.data) throw new Error(answer.error.error.code);
  job = answer.data;
}
if (job.status !== "succeeded" || job.images === undefined) throw new Error(job.error?.message ?? job.status);

const image = await getImage({ path: { job_id: job.id, name: "256.png" } });
if (!image.data) throw new Error("no image");
fs.writeFileSync("256.png", Buffer.from(await image.data.arrayBuffer()));

const names: (string | undefined)[] = [];
const told = await followJob({ path: { job_id: job.id }, onSseEvent: (event) => names.push(event.event) });
for await (const _ of told.stream) if (names.at(-1) === "done") break;
if (names.join() !== "snapshot,done") throw new Error(names.join());

const models = await listModels({ throwOnError: true });
if (!models.data.data.some((model) => model.id === "gpt-image-1")) throw new Error("no alias");
const refused = await submitJob({ body: { prompt: "ab" } });
if (refused.error?.error.code !== "validation_error") throw new Error("a prompt of two characters is taken");

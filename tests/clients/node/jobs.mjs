// What the clients of the job routes share: a job of their own, and its image once it has succeeded.
import fs from "node:fs";

export const base = process.env.LOGO_URL;

export async function submit(body = {}) {
  const answer = await fetch(`${base}/api/jobs`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ prompt: "a red fox head, geometric", sizes: [256], ...body }),
  });
  return answer.json();
}

export async function save(job) {
  if (job.status !== "succeeded") throw new Error(`the job ${job.status}`);
  const image = await fetch(new URL(job.urls.images["256"], base));
  fs.writeFileSync("256.png", Buffer.from(await image.arrayBuffer()));
}

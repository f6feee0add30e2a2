// Polls with http.request and an agent that keeps its connection: `poll_node.mjs POLLS`. Prints as poll_requests.py does.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const submit = `${process.env.LOGO_URL}/api/jobs`;
const headers = { "Content-Type": "application/json", "Idempotency-Key": process.env.KEY };
const agent = new http.Agent({ keepAlive: true });
const counts = { answered: 0, refused: 0, cut: 0 };

const call = (method, url, body) =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { method, agent, headers }, (response) => {
      response.resume().on("error", reject);
      response.on("end", () => resolve(response.statusCode < 300 ? "answered" : "refused"));
    });
    request.on("error", reject).end(body);
  });

for (let poll = 0; poll < Number(process.argv[2]); poll++) {
  try {
    counts[await (poll % 2 ? call("POST", submit, process.env.BODY) : call("GET", `${submit}/${process.env.JOB}`))]++;
  } catch (error) {
    console.error(error);
    counts.cut++;
  }
  await sleep(1000 * Number(process.env.POLL_SECONDS));
}
agent.destroy();
console.log(JSON.stringify(counts));

// A job with a webhook to this process, and the first delivery as [body, headers].
import http from "node:http";
import { submit } from "./jobs.mjs";

export const secret = process.env.WEBHOOK_SECRET;

export async function received() {
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const delivery = new Promise((resolve) => {
    server.on("request", async (request, response) => {
      let body = "";
      for await (const chunk of request.setEncoding("utf8")) body += chunk;
      response.writeHead(204, { Connection: "close" }).end(() => server.close());
      resolve([body, request.headers]);
    });
  });
  await submit({ webhook_url: `http://127.0.0.1:${server.address().port}/` });
  return delivery;
}

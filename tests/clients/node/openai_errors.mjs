// Each refusal is the client's own exception: `openai_errors.mjs URL KEY`, a server with keys that takes RATE submits.
import OpenAI from "openai";

const expect = async (kind, call, check) => {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind && check(error)) return;
    throw error;
  }
  throw new Error(`no ${kind.name}`);
};
const ask = { prompt: "a red fox", size: "256x256" };
const other = new OpenAI({ baseURL: process.argv[2], apiKey: "wrong", maxRetries: 0 });
const client = other.withOptions({ apiKey: process.argv[3] });

await expect(OpenAI.AuthenticationError, () => other.images.generate(ask), (error) => error.code === "invalid_api_key");
await expect(OpenAI.BadRequestError, () => client.images.generate({ ...ask, n: 99 }), (error) => error.param === "n");
await expect(OpenAI.NotFoundError, () => client.models.retrieve("gpt-5"), (error) => error.code === "model_not_found");
const exhausted = async () => {
  for (let call = 0; call < Number(process.env.RATE); call++) {
    await client.images.generate({ prompt: "x" }).catch((error) => {
      if (!(error instanceof OpenAI.BadRequestError)) throw error;
    });
  }
};
await expect(OpenAI.RateLimitError, exhausted, (error) => Number(error.headers.get("retry-after")) >= 1);

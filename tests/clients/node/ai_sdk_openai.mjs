// The first example of AI SDK's page on image generation.
import fs from "node:fs";
import { openai } from "@ai-sdk/openai";
import { generateImage } from "ai";

const { image } = await generateImage({
  model: openai.image("dall-e-3"),
  prompt: "Santa Claus driving a Cadillac",
});
fs.writeFileSync("santa.png", image.uint8Array);

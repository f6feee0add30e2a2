// The example of AI SDK's provider for compatible servers, with an image model.
import fs from "node:fs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage } from "ai";

const provider = createOpenAICompatible({
  name: "provider-name",
  apiKey: process.env.OPENAI_API_KEY,
  baseURL: process.env.OPENAI_BASE_URL,
});

const { images } = await generateImage({
  model: provider.imageModel("flux"),
  prompt: "A futuristic cityscape at sunset",
  size: "256x256",
  n: 2,
});
images.forEach((image, index) => fs.writeFileSync(`city-${index}.png`, image.uint8Array));

// examples/image-stream.ts of the package.
import fs from "node:fs";
import OpenAI from "openai";

const openai = new OpenAI();
const stream = await openai.images.generate({
  model: "gpt-image-1",
  prompt: "A cute baby sea otter",
  n: 1,
  size: "1024x1024",
  stream: true,
  partial_images: 3,
});

for await (const event of stream) {
  switch (event.type) {
    case "image_generation.partial_image":
      if (Buffer.from(event.b64_json, "base64").length < 100) throw new Error("an empty partial image");
      break;
    case "image_generation.completed":
      fs.writeFileSync("final_image.png", Buffer.from(event.b64_json, "base64"));
      break;
    default:
      throw new Error(`Unknown event: ${event.type}`);
  }
}

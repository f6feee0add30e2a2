// The first example of Replicate's package.
import { writeFile } from "node:fs/promises";
import Replicate from "replicate";

const replicate = new Replicate({ baseUrl: `${process.env.LOGO_URL}/v1` });

const model = "black-forest-labs/flux-schnell";
const input = { prompt: "a 19th century portrait of a raccoon gentleman wearing a suit" };
const [output] = await replicate.run(model, { input });
await writeFile("raccoon.png", output);

// The example of LangChain's DALL-E tool.
import fs from "node:fs";
import { DallEAPIWrapper } from "@langchain/openai";

const tool = new DallEAPIWrapper({
  n: 1,
  model: "dall-e-3",
  apiKey: process.env.OPENAI_API_KEY,
  baseUrl: process.env.OPENAI_BASE_URL,
});

const imageURL = await tool.invoke("a painting of a cat");
fs.writeFileSync("cat.png", Buffer.from(await (await fetch(imageURL)).arrayBuffer()));

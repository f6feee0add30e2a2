// npm install --no-save yaml@2 @kubernetes-models/keda@2 kubernetes-models@4 && node deploy/kubernetes/check.mjs
import { readFileSync } from "node:fs";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { parseAllDocuments } from "yaml";

const kinds = { Deployment, ScaledObject };
const text = readFileSync(new URL("generate.yaml", import.meta.url), "utf8");
for (const document of parseAllDocuments(text)) {
  const manifest = document.toJS();
  new kinds[manifest.kind](manifest).validate(); // throws, naming the field
  console.log(`${manifest.kind} ${manifest.metadata.name}: valid`);
}

// The generator's defaults, but for imports that Node finds: with their files' extension.
export default { input: "openapi.json", output: { path: "client", module: { extension: ".js" } } };

// The TypeScript SDK's client: `node typescript_client.mjs NODE_MODULES COMMAND...` prints what it saw, as JSON.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [, , modules, command, ...args] = process.argv;
const require = createRequire(pathToFileURL(join(modules, "x.js")));
const { Client } = await import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/client/index.js")));
const { StdioClientTransport } = await import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/client/stdio.js")));

const client = new Client({ name: "typescript", version: "1" });
await client.connect(new StdioClientTransport({ command, args, env: process.env }));
const call = (name, given, options) => client.callTool({ name, arguments: given }, undefined, options);
const run = (code, options) => call("run_code", { code, why: "to see it" }, options);

const seen = { tools: (await client.listTools()).tools.map((tool) => tool.name) };
seen.first = await run("n = 6 * 7\nprint(n)");
seen.error = await run("1 / 0");
const progress = [];
const slow = "import time\nfor i in range(4):\n    print('part', i)\n    time.sleep(0.3)";
await run(slow, { onprogress: (each) => progress.push(each.message) });
seen.progress = progress;
const giving_up = new AbortController();
setTimeout(() => giving_up.abort(), 500);
seen.cancelled = await run("time.sleep(60)", { signal: giving_up.signal }).then(() => false, () => true);
seen.after = await run("print('still here')");
const figure = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()";
seen.figure = (await run(figure)).content.map((each) => each.type);
seen.undo = await call("undo", {});
seen.transcript = (await client.readResource({ uri: "agentloop://transcript" })).contents[0].text;
seen.prompts = (await client.listPrompts()).prompts.length;
console.log(JSON.stringify(seen));
await client.close();

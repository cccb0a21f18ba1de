// Runs the package's Bot API server, and acts for people through the package's own client: a request a line on standard input,
// an answer a line on standard output. The first line says where the server listens; it ends with its input.

import { createServer } from "node:net";
import { createInterface } from "node:readline";

import TelegramServer from "telegram-test-api";

const TOKEN = process.argv[2];
// Longer than any test takes, in seconds: what is older is forgotten.
const KEPT = 600;
// The port is free when it is looked for, and might not be a moment later.
const TRIES = 5;

async function freePort() {
  const probe = createServer();
  await new Promise((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function start(tries) {
  const server = new TelegramServer({ host: "127.0.0.1", port: await freePort(), storeTimeout: KEPT });
  try {
    await server.start();
  } catch (error) {
    if (tries <= 1) throw error;
    return start(tries - 1);
  }
  return server;
}

const server = await start(TRIES);

const acts = {
  say: (client, { text, more }) => client.sendMessage(client.makeMessage(text, more)),
  command: (client, { text, more }) => client.sendCommand(client.makeCommand(text, more)),
  press: (client, { data, more }) => client.sendCallback(client.makeCallbackQuery(data, more)),
  history: (client) => client.getUpdatesHistory(),
  unread: (client) => client.getUpdates(),
};

console.log(JSON.stringify({ url: server.config.apiURL }));
for await (const line of createInterface({ input: process.stdin })) {
  const { act, who, ...what } = JSON.parse(line);
  const answer = await acts[act](server.getClient(TOKEN, who), what);
  console.log(JSON.stringify(answer ?? null));
}
await server.stop();

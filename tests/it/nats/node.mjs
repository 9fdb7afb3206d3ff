// Runs the behaviours in Node, over TCP or, if the address says so, over WebSocket.
//
// Arguments: the folder with node_modules, the address, and the name of a part. Environment: what the part needs.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { behaviours, comesBack, credentials, permissions } from "./behaviours.mjs";

const [folder, address, part] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const node = require("@nats-io/transport-node");
const core = require("@nats-io/nats-core");

// Node has a WebSocket of its own since version 22; nats-core asks for one like it before that.
globalThis.WebSocket ??= require("ws").WebSocket;

const open = address.startsWith("ws") ? core.wsconnect : node.connect;
const connect = (options) => open({ servers: address, timeout: 60_000, reconnect: false, ...options });
const ok = (name) => console.log(`ok ${name}`);

function environment() {
  const options = {};
  const { NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_NKEYS_SEED_STR, NATS_AUTHORITY, NATS_TLS_FIRST } = process.env;
  if (NATS_USER) Object.assign(options, { user: NATS_USER, pass: NATS_PASSWORD });
  if (NATS_TOKEN) options.token = NATS_TOKEN;
  if (NATS_NKEYS_SEED_STR) {
    options.authenticator = core.nkeyAuthenticator(new TextEncoder().encode(NATS_NKEYS_SEED_STR));
  }
  if (NATS_AUTHORITY) options.tls = { ca: readFileSync(NATS_AUTHORITY, "utf8"), servername: "localhost" };
  if (NATS_TLS_FIRST) options.tls.handshakeFirst = true;
  return options;
}

const parts = {
  behaviours: () => behaviours(core, connect, ok),
  permissions: () => permissions(connect, ok),
  credentials: () => credentials(connect, environment(), ok),
  comes_back: () => comesBack(connect, ok),
};
await parts[part]();
process.exit(0);

// What users of nats-core do: each behaviour calls `ok` with its name when it is as it should be. It runs in Node and in
// browsers alike: `core` is @nats-io/nats-core, and `connect` makes a connection with more options.

const text = (bytes) => new TextDecoder().decode(bytes);
const numbers = (count) => Array.from({ length: count }, (_, number) => String(number));

function same(got, expected) {
  if (JSON.stringify(got) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(got)} and not ${JSON.stringify(expected)}`);
  }
}

async function take(subscription, count) {
  const payloads = [];
  if (count === 0) return payloads;
  for await (const message of subscription) {
    payloads.push(message.string());
    if (payloads.length === count) break;
  }
  return payloads;
}

async function refused(promise, is) {
  const error = await promise.then(() => null, (error) => error);
  if (error === null || !is(error)) throw new Error(`it should have been refused: ${error}`);
}

export async function behaviours(core, connect, ok) {
  const one = await connect({});
  const two = await connect({});

  const talk = two.subscribe("talk", { max: 100 });
  await two.flush();
  for (const number of numbers(100)) one.publish("talk", number);
  same(await take(talk, 100), numbers(100));
  ok("publish and subscribe");

  const subjects = ["w.a.c", "w.b.c", "w.b.d", "w"];
  const heard = { "w.*.c": [], "w.>": [] };
  for (const filter of Object.keys(heard)) {
    two.subscribe(filter, { callback: (_, message) => heard[filter].push(message.subject) });
  }
  await two.flush();
  for (const subject of subjects) one.publish(subject);
  await one.flush();
  await two.flush();
  same(heard, { "w.*.c": ["w.a.c", "w.b.c"], "w.>": ["w.a.c", "w.b.c", "w.b.d"] });
  ok("wildcards");

  const shares = [[], []];
  [one, two].forEach((client, member) => {
    client.subscribe("work", { queue: "red", callback: (_, message) => shares[member].push(message.string()) });
  });
  await Promise.all([one.flush(), two.flush()]);
  for (const number of numbers(200)) one.publish("work", number);
  await one.flush();
  await Promise.all([one.flush(), two.flush()]);
  same(shares.map((share) => 0 < share.length), [true, true]);
  same(shares.flat().map(Number).sort((a, b) => a - b).map(String), numbers(200));
  ok("queue groups");

  two.subscribe("double", { callback: (_, message) => message.respond(message.string().repeat(2)) });
  await two.flush();
  for (const number of numbers(20)) {
    same((await one.request("double", number, { timeout: 60_000 })).string(), number.repeat(2));
  }
  same((await one.request("double", "x", { timeout: 60_000, noMux: true })).string(), "xx");
  ok("request and reply");

  await refused(one.request("nobody", "", { timeout: 60_000 }), (error) => {
    return error.message.includes("no responders");
  });
  ok("no responders");

  const letters = two.subscribe("letter", { max: 2 });
  await two.flush();
  const headers = core.headers();
  headers.append("Colour", "red");
  headers.append("Colour", "blue");
  one.publish("letter", "dear", { headers });
  one.publish("letter", "", { headers });
  const got = [];
  for await (const message of letters) got.push([message.headers.values("Colour"), message.string()]);
  same(got, [[["red", "blue"], "dear"], [["red", "blue"], ""]]);
  ok("headers");

  const count = [];
  const counted = two.subscribe("count", { callback: (_, message) => count.push(message.string()) });
  counted.unsubscribe(3);
  await two.flush();
  for (const number of numbers(5)) one.publish("count", number);
  await one.flush();
  await two.flush();
  same(count, numbers(3));
  ok("unsubscribe after");

  const most = one.info.max_payload;
  const large = two.subscribe("large", { max: 1 });
  await two.flush();
  one.publish("large", new Uint8Array(most).fill(120));
  for await (const message of large) same(message.data.length, most);
  await refused((async () => one.publish("large", new Uint8Array(most + 1)))(), (error) => {
    return error.message.includes("max_payload");
  });
  ok("max payload");

  const deaf = await connect({ noEcho: true });
  const own = deaf.subscribe("shout", { max: 1 });
  deaf.publish("shout", "from me");
  await deaf.flush();
  one.publish("shout", "from you");
  same(await take(own, 1), ["from you"]);
  ok("no echo");

  const strict = await connect({ verbose: true, pedantic: true });
  const echoed = strict.subscribe("strict", { max: 1 });
  strict.publish("strict", "yes");
  same(await take(echoed, 1), ["yes"]);
  await strict.close();
  ok("verbose and pedantic");

  same(typeof (await one.rtt()), "number");
  ok("round trip");

  const last = [];
  two.subscribe("last", { callback: (_, message) => last.push(message.string()) });
  await two.flush();
  for (const number of numbers(50)) one.publish("last", number);
  await one.flush();
  await two.drain();
  same(last, numbers(50));
  same(two.isClosed(), true);
  ok("drain");

  await one.close();
  await deaf.close();
  ok("close");
}

export async function permissions(connect, ok) {
  const client = await connect({ user: "alice", pass: "wonderland" });
  const errors = [];
  let tell = () => {};
  (async () => {
    for await (const status of client.status()) {
      if (status.type === "error") {
        errors.push(String(status.error));
        tell();
      }
    }
  })();
  const error = async () => {
    while (errors.length === 0) await new Promise((resolve) => (tell = resolve));
    return errors.shift().toLowerCase();
  };
  const closed = client.subscribe("closed", { callback: () => {} });
  same((await error()).includes('permissions violation for subscription to "closed"'), true);
  ok("may not subscribe");
  client.publish("closed");
  same((await error()).includes('permissions violation for publish to "closed"'), true);
  ok("may not publish");
  const open = client.subscribe("open.*", { max: 1 });
  client.publish("open.door", "welcome");
  same(await take(open, 1), ["welcome"]);
  ok("may do the rest");
  await client.close();
}

export async function credentials(connect, options, ok) {
  let client;
  try {
    client = await connect(options);
  } catch (error) {
    console.error(`refused: ${error}`);
    ok("refused");
    return;
  }
  const own = client.subscribe("own", { max: 1 });
  client.publish("own", "in");
  same(await take(own, 1), ["in"]);
  await client.close();
  ok("let in");
}

export async function comesBack(connect, ok) {
  const client = await connect({ reconnect: true, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  const back = (async () => {
    for await (const status of client.status()) {
      if (status.type === "reconnect") return;
    }
  })();
  const own = client.subscribe("still.*", { max: 1 });
  await client.flush();
  ok("ready");
  await back;
  client.publish("still.here", "after");
  same(await take(own, 1), ["after"]);
  await client.close();
  ok("came back");
}

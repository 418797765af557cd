// JavaScript's OpenFeature SDK for browsers with its OFREP provider, as pages that are open. It is copied to where they
// are installed. A line of JSON is an order, `{"page", "do", …}`; each is answered with one.
import { createInterface } from "node:readline";

const kept = new Map();
Object.defineProperty(globalThis, "localStorage", {
  value: {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, String(value)),
    removeItem: (name) => void kept.delete(name),
  },
});

const { NOOP_PROVIDER, OpenFeature, ProviderEvents } = await import("@openfeature/web-sdk");
const { OFREPWebProvider } = await import("@openfeature/ofrep-web-provider");
OpenFeature.setLogger({ error() {}, warn() {}, info() {}, debug() {} });

const METHODS = {
  boolean: "getBooleanDetails",
  string: "getStringDetails",
  number: "getNumberDetails",
  object: "getObjectDetails",
};
const pages = new Map();
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function told(page, { key, kind, default: value }) {
  const found = page.client[METHODS[kind]](key, value);
  return {
    value: found.value,
    variant: found.variant ?? null,
    reason: found.reason ?? null,
    error: found.errorCode ?? null,
    rule: found.flagMetadata?.rule ?? null,
    says: found.errorMessage ?? "",
  };
}

// Asks as the browser does, and writes down what. While `holding`, an answer is kept back until it is let go.
function asking(page, holding) {
  return async (request, options) => {
    const answer = await fetch(request, options);
    page.requests.push({
      status: answer.status,
      etag: request.headers.get("if-none-match"),
      query: new URL(request.url).search,
    });
    if (holding && !page.held) {
      page.held = true;
      await new Promise((go) => (page.letGo = go));
    }
    return answer;
  };
}

const orders = {
  // `options` are the provider's; `hold` keeps its first answer back
  async open({ page: name, url, token, context, options, hold }) {
    const page = { requests: [], changes: [], events: [], held: false };
    pages.set(name, page);
    page.provider = new OFREPWebProvider({
      baseUrl: url,
      headers: [["Authorization", `Bearer ${token}`]],
      timeoutMs: 120_000,
      fetchImplementation: asking(page, hold),
      ...options,
    });
    page.client = OpenFeature.getClient(name);
    page.client.addHandler(ProviderEvents.ConfigurationChanged, (one) => page.changes.push(one?.flagsChanged ?? []));
    for (const event of [ProviderEvents.Error, ProviderEvents.Stale])
      page.client.addHandler(event, (one) => page.events.push(`${event}: ${one?.message ?? ""}`));
    await OpenFeature.setContext(name, context);
    page.opening = OpenFeature.setProviderAndWait(name, page.provider).then(
      () => "",
      (error) => String(error?.message ?? error),
    );
    while (hold && !page.held) await sleep(5);
    return { failed: hold ? "" : await page.opening };
  },
  async release(_order, page) {
    page.letGo();
    return { failed: await page.opening };
  },
  async evaluate({ cases }, page) {
    return { told: cases.map((one) => told(page, one)) };
  },
  async context({ context, page: name }) {
    await OpenFeature.setContext(name, context);
    return {};
  },
  // Until a flag has a value, `seconds` at most
  async until({ asked, value, seconds }, page) {
    const deadline = Date.now() + seconds * 1000;
    while (Date.now() < deadline) {
      const found = told(page, asked);
      if (found.value === value && found.error === null) return { holds: true };
      await sleep(10);
    }
    return { holds: false };
  },
  // Until there were so many requests of a status
  async asked({ status, times, seconds }, page) {
    const deadline = Date.now() + seconds * 1000;
    const counted = () => page.requests.filter((one) => one.status === status).length;
    while (Date.now() < deadline && counted() < times) await sleep(10);
    return { holds: counted() >= times };
  },
  async seen(_order, page) {
    const { requests, changes, events } = page;
    Object.assign(page, { requests: [], changes: [], events: [] });
    return { requests, changes, events };
  },
  async close({ page: name }) {
    await OpenFeature.setProviderAndWait(name, NOOP_PROVIDER); // which closes the one before
    pages.delete(name);
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = await orders[order.do](order, pages.get(order.page));
  } catch (error) {
    answer = { broke: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);

// JavaScript's OpenFeature SDK for servers with its OFREP provider. It is copied to where they are installed.
// What it reads and writes is told in program.py.
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const METHODS = {
  boolean: "getBooleanDetails",
  string: "getStringDetails",
  number: "getNumberDetails",
  object: "getObjectDetails",
};

async function read() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

const quiet = { error() {}, warn() {}, info() {}, debug() {} };
OpenFeature.setLogger(quiet);
const answers = [];
for (const [number, door] of (await read()).doors.entries()) {
  const provider = new OFREPProvider({
    baseUrl: door.url,
    headers: [["Authorization", `Bearer ${door.token}`]],
  });
  await OpenFeature.setProviderAndWait(`door-${number}`, provider);
  const client = OpenFeature.getClient(`door-${number}`);
  const told = [];
  for (const { key, kind, default: value, context } of door.cases) {
    const found = await client[METHODS[kind]](key, value, context);
    told.push({
      value: found.value,
      variant: found.variant ?? null,
      reason: found.reason ?? null,
      error: found.errorCode ?? null,
      rule: found.flagMetadata?.rule ?? null,
      says: found.errorMessage ?? "",
    });
  }
  answers.push(told);
}
process.stdout.write(JSON.stringify(answers));

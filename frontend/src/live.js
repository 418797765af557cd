// Live updates. The server tells over one stream which topics changed; elements that name a topic fetch themselves anew.
//
//   <div data-live="run:128 runs" hx-get="/runs/128/graph" hx-trigger="andon:refresh" hx-swap="outerMorph">
//
// Stream: GET /live?topics=a,b&after=4711 sends `event: change` with `data: ["run:128"]`; "*" asks to look at everything anew, and
// `event: over` says that the session has ended. The place in the record from which on the
// page has not been told comes with the page, so that what happens while the stream is opened is told as well. Others may listen to `andon:changed` on the document (the log viewer does).
//
// A hidden tab keeps no stream: browsers allow six connections to a host, and the seventh tab would hang.

const SOON = 120; // several events in a moment become one request
const LONGEST = 30000;

let source = null;
let wait = 1000;
let timer = 0;
let subscribed = "";
let told = 0;

function topicsOf(node) {
  return (node.dataset.live ?? node.dataset.logTopics ?? "").split(/\s+/).filter(Boolean);
}

function wanted() {
  const all = new Set();
  for (const node of document.querySelectorAll("[data-live], [data-log-topics]")) for (const topic of topicsOf(node)) all.add(topic);
  return [...all].sort().join(",");
}

function show(next) {
  const dot = document.querySelector("[data-live-dot]");
  if (!dot) return;
  dot.dataset.state = next;
  const word = { on: "live", retry: "reconnecting", off: "paused" }[next];
  const text = dot.querySelector("[data-live-word]");
  if (text && text.textContent !== word) text.textContent = word;
  dot.title = { on: "This page updates by itself", retry: "The connection was lost; what you see may be old. Trying again.", off: "Not updating" }[next];
}

const due = new Map();

function refresh(node) {
  if (due.has(node)) return;
  due.set(node, setTimeout(() => {
    due.delete(node);
    if (node.isConnected) node.dispatchEvent(new CustomEvent("andon:refresh"));
  }, SOON));
}

function tell(topics) {
  for (const node of document.querySelectorAll("[data-live]")) {
    if (topics === null || topicsOf(node).some((topic) => topics.includes(topic))) refresh(node);
  }
  document.dispatchEvent(new CustomEvent("andon:changed", { detail: { topics } }));
}

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function connect(missed) {
  close();
  const address = document.body.dataset.liveSource;
  subscribed = wanted();
  if (!address || !subscribed) return show("off");
  told = Math.max(told, Number(document.body.dataset.livePosition ?? 0));
  source = new EventSource(`${address}?topics=${encodeURIComponent(subscribed)}${told ? `&after=${told}` : ""}`);
  source.addEventListener("open", () => {
    wait = 1000;
    show("on");
    if (missed) tell(null); // whatever happened in between
  });
  source.addEventListener("change", (event) => {
    told = Math.max(told, Number(event.lastEventId));
    const topics = JSON.parse(event.data);
    tell(topics.includes("*") ? null : topics);
  });
  source.addEventListener("over", () => {
    close();
    location.reload(); // the server sends the reader to the door
  });
  source.addEventListener("error", () => {
    close();
    show("retry");
    timer = setTimeout(() => connect(true), wait * (0.75 + Math.random() / 2));
    wait = Math.min(LONGEST, wait * 2);
  });
}

export function startLive() {
  if (!document.body.dataset.liveSource) return;
  const onScreen = () => document.visibilityState === "visible";
  if (onScreen()) connect(false);
  document.addEventListener("visibilitychange", () => {
    if (onScreen()) connect(true);
    else {
      close();
      show("off");
    }
  });
  window.addEventListener("pagehide", close);
  // A swap may have brought elements with topics that are not subscribed yet.
  document.addEventListener("htmx:after:swap", () => {
    if (source && wanted() !== subscribed) connect(false);
  });
  // A session that has ended: let the server send the reader to the door.
  document.addEventListener("htmx:after:request", (event) => {
    if (event.detail?.ctx?.response?.raw?.status === 401) location.reload();
  });
}

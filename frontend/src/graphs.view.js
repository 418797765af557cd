// What all graphs of a page have in common: the range, what it is compared with, whether it goes on. It stands in the
// address, so that a link shows what its sender saw, and back works.

const UNITS = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };
const listeners = new Set();

function milliseconds(text, now) {
  const found = /^-?(?:now-)?(\d+)(ms|[smhdw])$/.exec(text);
  if (found) return now - Number(found[1]) * UNITS[found[2]];
  if (/^\d+$/.test(text)) return Number(text);
  const parsed = Date.parse(/([zZ]|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(parsed) ? now : parsed;
}

export const view = {
  from: "6h", to: "", compare: "", paused: false, offset: 0,

  /** The server's clock, as far as it is known. */
  now() { return Date.now() + this.offset; },
  get live() { return !this.paused && (this.to === "" || this.to === "now"); },
  span() {
    const now = this.now();
    const max = this.to === "" || this.to === "now" ? now : milliseconds(this.to, now);
    const min = milliseconds(this.from, now);
    return max > min ? [min, max] : [max - 6e4, max];
  },
  read(fallback) {
    const asked = new URLSearchParams(location.search);
    this.from = asked.get("from") || fallback;
    this.to = asked.get("to") || "";
    this.compare = asked.get("compare") || "";
  },
  /** Change some of it, as a step that "back" takes back. */
  go(changes) {
    Object.assign(this, changes);
    const address = new URL(location.href);
    for (const name of ["from", "to", "compare"]) {
      if (this[name]) address.searchParams.set(name, this[name]);
      else address.searchParams.delete(name);
    }
    history.pushState({}, "", address);
    this.tell();
  },
  zoom(min, max) {
    if (max - min >= 1000) this.go({ from: String(Math.round(min)), to: String(Math.round(max)) });
  },
  /** Twice as long, round the same middle; not beyond now. */
  widen() {
    const [min, max] = this.span();
    const half = (max - min) / 2;
    const end = Math.min(max + half, this.now());
    this.zoom(end - 4 * half, end);
  },
  shift(part) {
    const [min, max] = this.span();
    const by = Math.min((max - min) * part, this.now() - max);
    if (Math.abs(by) >= 1000) this.zoom(min + by, max + by);
  },
  query(extra = {}) {
    const asked = new URLSearchParams({ from: this.from, ...(this.to && { to: this.to }), ...extra });
    return asked.toString();
  },
  listen(heard) {
    listeners.add(heard);
    return () => listeners.delete(heard);
  },
  tell() { for (const heard of [...listeners]) heard(); },
};

/** An answer in JSON; an error has `problem` with what happened and what to do. */
export async function ask(address, signal) {
  const answer = await fetch(address, { headers: { accept: "application/json" }, signal });
  if (answer.ok) {
    const told = Date.parse(answer.headers.get("date") ?? "");
    // whole seconds: only a clock that is plainly wrong is corrected
    if (!Number.isNaN(told)) view.offset = Math.abs(told - Date.now()) > 3000 ? told - Date.now() : 0;
    return answer.json();
  }
  const error = new Error(`${answer.status}`);
  error.status = answer.status;
  try { error.problem = await answer.json(); } catch { /* not ours: the status has to do */ }
  throw error;
}

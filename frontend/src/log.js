// The log viewer: a million lines, of which some fifty are in the page.
//
// One address answers it all (andon.web.logs says how): ?start=N&limit=1000 gives lines, ?q=… the numbers of the lines that
// hold a text, ?find=error the first that looks like an error. Lines are numbered from 1; those that were dropped in the
// middle of a log too long are numbers without a line. Without script the page shows what the server drew.
import { element, icon, typing } from "./element.js";
import { toast } from "./toasts.js";

const PAGE = 1000;
const ROW = 20;
const KEPT = 80; // pages in memory
const TALLEST = 15_000_000; // pixels; Firefox draws nothing beyond 17.8 million
const AROUND = 12; // rows drawn above and below what is seen
const CLASS = /^(?:(?:b|dim|i|u|s|inv|(?:fg|bg)-\d{1,2})(?: |$))+$/;
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZone: "UTC" });

class Log {
  constructor(root) {
    this.root = root;
    this.address = root.dataset.log;
    this.topics = (root.dataset.logTopics ?? "").split(/\s+/).filter(Boolean);
    this.view = root.querySelector("[data-log-lines]");
    this.pages = new Map();
    this.asked = new Map();
    this.total = 0;
    this.complete = root.dataset.logComplete === "true";
    this.permalink = root.dataset.logPermalink ?? ""; // the page with this log on it; "" is the page's own address
    this.sections = [];
    this.gaps = [];
    this.folded = new Set();
    this.rows = new Map();
    this.segments = [];
    this.count = 0;
    this.chosen = null;
    this.matches = [];
    this.match = -1;
    this.query = "";
    this.follow = false;
    this.jumped = null; // where the script scrolled to
  }

  async start() {
    await this.load(0);
    if (!this.total && this.complete) return;
    this.furnish();
    this.space = element("div", { class: "log-space" });
    this.view.replaceChildren(this.space);
    this.arrange();
    this.view.addEventListener("scroll", () => this.onScroll(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.view);
    window.addEventListener("hashchange", () => this.toHash());
    const asked = this.toHash();
    if (!asked && !this.complete) this.setFollow(true);
    if (!asked && this.root.dataset.logJump === "error") this.ask({ find: "error" }).then(({ first_error: n }) => n && this.toLine(n)).catch(() => {});
    this.draw();
    if (!this.complete) this.watch();
  }

  // ---- fetching ----

  async ask(words, signal) {
    const answer = await fetch(`${this.address}?${new URLSearchParams(words)}`, { headers: { accept: "application/json" }, signal });
    if (!answer.ok) throw new Error(`the log answered ${answer.status}`);
    return answer.json();
  }

  /** Read what is not read yet of a page: all, or what has come since. */
  load(page) {
    if (this.asked.has(page)) return this.asked.get(page);
    const job = this.read(page).finally(() => this.asked.delete(page));
    this.asked.set(page, job);
    return job;
  }

  async read(page) {
    const held = this.pages.get(page) ?? { lines: new Map(), next: page * PAGE + 1 };
    const end = (page + 1) * PAGE;
    const said = await this.ask({ start: held.next, limit: end - held.next + 1 });
    for (const line of said.lines) held.lines.set(line.n, line);
    held.next = Math.min(end + 1, Math.max(held.next, said.next));
    this.pages.delete(page);
    this.pages.set(page, held);
    if (this.pages.size > KEPT) this.pages.delete(this.pages.keys().next().value);
    const grown = said.total !== this.total || said.complete !== this.complete || (said.sections && said.sections.length !== this.sections.length);
    this.total = said.total;
    this.complete = said.complete;
    if (said.sections) {
      this.sections = said.sections.map((one, at) => ({ ...one, end: said.sections[at + 1] ? said.sections[at + 1].start - 1 : null }));
    }
    if (said.gaps) this.gaps = said.gaps.map(([first, count]) => ({ first, count }));
    if (this.space && grown) this.arrange();
  }

  /** The line, null where it was not kept, undefined where it was not read. */
  line(n) {
    const held = this.pages.get(Math.floor((n - 1) / PAGE));
    const line = held?.lines.get(n);
    return line ?? (held && n < held.next ? null : undefined);
  }

  /** While the program runs. The record tells of a job's beginning and end, not of its lines: those are asked for. */
  watch() {
    let busy = false;
    const more = async () => {
      if (busy || document.visibilityState !== "visible") return;
      busy = true;
      try {
        let page = Math.floor(this.total / PAGE);
        await this.load(page);
        while (this.follow && Math.floor(this.total / PAGE) > page) await this.load((page = Math.floor(this.total / PAGE)));
        this.drawn = "";
        if (this.follow) this.toEnd();
        this.draw();
      } catch {
        // The connection is gone; the live dot says so, and the next round tries again.
      } finally {
        busy = false;
      }
      if (this.complete) stop();
    };
    const heard = (event) => {
      const { topics } = event.detail;
      if (topics === null || this.topics.some((mine) => topics.includes(mine))) more();
    };
    const timer = setInterval(more, 1000);
    const stop = () => {
      clearInterval(timer);
      document.removeEventListener("andon:changed", heard);
      this.setFollow(false);
      this.say();
    };
    document.addEventListener("andon:changed", heard);
    more();
  }

  // ---- rows: section headings and lines ----

  arrange() {
    const segments = [];
    let row = 0;
    let next = 1;
    const lines = (first, last) => {
      if (last < first) return;
      const gap = this.gaps.find((one) => one.first <= last && one.first + one.count > first);
      if (gap) {
        lines(first, gap.first - 1);
        segments.push({ row, gap, count: 1 });
        row += 1;
        lines(gap.first + gap.count, last);
        return;
      }
      segments.push({ row, first, count: last - first + 1 });
      row += last - first + 1;
    };
    for (const section of this.sections) {
      lines(next, section.start - 1);
      const end = Math.min(section.end ?? this.total, this.total);
      segments.push({ row, section, count: 1 });
      row += 1;
      if (!this.folded.has(section.start)) lines(section.start, end);
      next = end + 1;
    }
    lines(next, this.total);
    this.segments = segments;
    this.count = row;
    this.height = Math.min(row * ROW, TALLEST);
    this.space.style.height = `${this.height}px`;
    this.drawn = "";
    this.say();
    this.draw();
  }

  at(row) {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.segments[middle].row <= row) low = middle;
      else high = middle - 1;
    }
    const segment = this.segments[low];
    if (segment.section) return { section: segment.section };
    return segment.gap ? { gap: segment.gap } : { n: segment.first + row - segment.row };
  }

  rowOf(n) {
    for (const segment of this.segments) {
      if (segment.first && n >= segment.first && n < segment.first + segment.count) return segment.row + n - segment.first;
    }
    return null;
  }

  // ---- drawing ----

  get scale() {
    const seen = this.view.clientHeight;
    const most = Math.max(1, this.height - seen);
    return Math.max(1, (this.count * ROW - seen) / most);
  }

  draw() {
    if (!this.space || !this.count) return;
    const seen = this.view.clientHeight;
    const scale = this.scale;
    const top = this.view.scrollTop * scale;
    const from = Math.max(0, Math.floor(top / ROW) - AROUND);
    const to = Math.min(this.count, Math.ceil((top + seen) / ROW) + AROUND);
    const shift = this.view.scrollTop - top; // where a row lies when the space is shorter than the log
    const key = `${from} ${to} ${shift}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const missing = new Set();
    const keep = new Map();
    for (let row = from; row < to; row += 1) {
      const what = this.at(row);
      const line = what.n && this.line(what.n);
      if (what.n && line === undefined) missing.add(Math.floor((what.n - 1) / PAGE));
      const name = what.gap ? `g${what.gap.first}` : what.section ? `s${what.section.start} ${this.folded.has(what.section.start)}` : `${what.n} ${line === undefined ? 0 : 1} ${this.chosenHas(what.n)} ${this.query} ${this.query && this.matches[this.match] === what.n}`;
      let node = this.rows.get(name);
      if (!node) {
        node = what.gap ? this.gapRow(what.gap) : what.section ? this.headRow(what.section) : this.lineRow(what.n, line);
        this.space.append(node);
      }
      node.style.transform = `translateY(${row * ROW + shift}px)`;
      keep.set(name, node);
    }
    for (const [name, node] of this.rows) if (!keep.has(name)) node.remove();
    this.rows = keep;
    for (const page of missing) {
      this.load(page).then(() => {
        this.drawn = "";
        if (!this.pages.get(page)?.lines.size && !this.complete) return; // not written yet; the next word of it draws it
        this.draw();
      }).catch(() => this.say("Some lines cannot be read now"));
    }
  }

  lineRow(n, line) {
    const text = element("span", { class: "log-t" });
    if (line === undefined) text.append(element("span", { class: "log-wait" }, "…"));
    else if (line === null) text.append(element("span", { class: "log-wait" }, "not kept"));
    else for (const [said, style] of line.spans) this.span(text, said, style, this.query && this.matches[this.match] === n);
    return element("div", { class: `log-row${this.chosenHas(n) ? " chosen" : ""}` },
      element("a", { class: "log-n", href: `${this.permalink}#L${n}`, "data-n": n, "aria-label": `Line ${n}`, tabindex: "-1", onclick: (event) => this.choose(event, n) }),
      element("span", { class: "log-at" }, line?.at ? CLOCK.format(new Date(line.at)) : ""),
      text);
  }

  span(into, said, style, now) {
    const box = style && CLASS.test(style) ? element("span", { class: style }) : into;
    if (box !== into) into.append(box);
    const low = said.toLowerCase();
    const query = this.query.toLowerCase();
    let from = 0;
    while (query) {
      const found = low.indexOf(query, from);
      if (found < 0) break;
      box.append(said.slice(from, found), element("mark", { class: now ? "now" : null }, said.slice(found, found + query.length)));
      from = found + query.length;
    }
    box.append(said.slice(from));
  }

  gapRow(gap) {
    const says = `${gap.count.toLocaleString("en")} lines were left out here: the log is longer than what is kept`;
    return element("div", { class: "log-row gone" }, element("span", { class: "log-n" }), element("span", { class: "log-t" }, says));
  }

  headRow(section) {
    const folded = this.folded.has(section.start);
    const toggle = () => {
      if (folded) this.folded.delete(section.start);
      else this.folded.add(section.start);
      this.arrange();
    };
    const count = (section.end ?? this.total) - section.start + 1;
    return element("div", { class: "log-row fold", onclick: toggle },
      element("span", { class: "log-n" }),
      element("button", { class: "log-fold", type: "button", tabindex: "-1", "aria-expanded": String(!folded), "aria-label": `Section ${section.name}` }, icon("chevron")),
      element("span", {}, section.name),
      element("span", { class: "log-fold-count" }, `${count.toLocaleString("en")} ${count === 1 ? "line" : "lines"}`));
  }

  // ---- where one is ----

  onScroll() {
    requestAnimationFrame(() => this.draw());
    const end = this.view.scrollTop + this.view.clientHeight >= this.view.scrollHeight - 2;
    if (this.view.scrollTop === this.jumped) return;
    this.jumped = null;
    if (!this.complete) this.setFollow(end, true);
  }

  /** What the reader scrolls is told from this by where it leads: no event comes of a jump to where one is already. */
  jump(top) {
    this.view.scrollTop = top;
    this.jumped = this.view.scrollTop;
  }

  toEnd() {
    this.jump(this.view.scrollHeight);
  }

  toLine(n) {
    const section = this.sections.find((one) => n >= one.start && n <= (one.end ?? this.total));
    if (section && this.folded.delete(section.start)) this.arrange();
    const row = this.rowOf(n);
    if (row === null) return;
    this.setFollow(false);
    this.jump(Math.max(0, (row * ROW - this.view.clientHeight / 3) / this.scale));
    this.drawn = "";
    this.draw();
  }

  chosenHas(n) {
    return this.chosen !== null && n >= this.chosen[0] && n <= this.chosen[1];
  }

  choose(event, n) {
    event.preventDefault();
    const range = event.shiftKey && this.chosen ? [Math.min(this.chosen[0], n), Math.max(this.chosen[0], n)] : [n, n];
    this.chosen = range;
    history.replaceState(history.state, "", this.permalink + (range[0] === range[1] ? `#L${n}` : `#L${range[0]}-L${range[1]}`));
    this.drawn = "";
    this.draw();
  }

  toHash() {
    const said = location.hash.match(/^#L(\d+)(?:-L?(\d+))?$/);
    if (!said) return false;
    const first = Number(said[1]);
    const last = Number(said[2] ?? first);
    this.chosen = [Math.min(first, last), Math.max(first, last)];
    this.toLine(Math.min(this.chosen[0], this.total));
    return true;
  }

  setFollow(on, byScroll = false) {
    this.follow = on && !this.complete;
    this.tail?.setAttribute("aria-pressed", String(this.follow));
    if (this.tail) this.tail.hidden = this.complete;
    if (this.follow && !byScroll) this.toEnd();
  }

  // ---- finding ----

  async search(query) {
    this.seeking?.abort();
    const mine = (this.seeking = new AbortController());
    this.query = query;
    this.matches = [];
    this.match = -1;
    let more = false;
    if (query) {
      this.found.textContent = "searching";
      try {
        ({ matches: this.matches, more } = await this.ask({ q: query }, mine.signal));
      } catch (error) {
        if (mine.signal.aborted) return;
        this.found.textContent = "search failed";
        console.error(error);
        return;
      }
    }
    if (mine.signal.aborted) return;
    this.more = more;
    if (this.matches.length) {
      const top = Math.floor((this.view.scrollTop * this.scale) / ROW);
      const here = this.count ? this.at(Math.min(top, this.count - 1)).n ?? 1 : 1;
      const next = this.matches.findIndex((n) => n >= here);
      this.match = next < 0 ? 0 : next;
      this.toLine(this.matches[this.match]);
    }
    this.drawn = "";
    this.draw();
    this.sayFound();
  }

  step(by) {
    if (!this.matches.length) return;
    this.match = (this.match + by + this.matches.length) % this.matches.length;
    this.toLine(this.matches[this.match]);
    this.sayFound();
  }

  sayFound() {
    const count = this.matches.length;
    this.found.textContent = !this.query ? "" : count ? `${this.match + 1} of ${count.toLocaleString("en")}${this.more ? "+" : ""}` : "not found";
  }

  async toFirstError() {
    const { first_error: n } = await this.ask({ find: "error" });
    if (!n) return toast("No error found in this log", "none");
    this.chosen = [n, n];
    history.replaceState(history.state, "", `${this.permalink}#L${n}`);
    this.toLine(n);
  }

  // ---- furniture ----

  furnish() {
    const tools = this.root.querySelector("[data-log-tools]");
    const tool = (name, says, act, pressed) => element("button", {
      class: "tool", type: "button", title: says, "aria-label": says, "aria-pressed": pressed == null ? null : String(pressed), onclick: act,
    }, icon(name[0]), element("span", {}, name[1]));
    this.found = element("span", { class: "log-found", role: "status" });
    this.field = element("input", { type: "search", placeholder: "Find in this log", "aria-label": "Find in this log", spellcheck: "false", autocomplete: "off" });
    let timer = 0;
    this.field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.search(this.field.value.trim()), 200);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        this.field.value = "";
        this.search("");
        this.view.focus();
      }
    });
    const timesOn = localStorage.getItem("andon-log-times") === "yes";
    const times = tool(["clock", "Times"], "Show times (t)", () => {
      const on = this.root.classList.toggle("log-times");
      times.setAttribute("aria-pressed", String(on));
      localStorage.setItem("andon-log-times", on ? "yes" : "no");
    }, timesOn);
    this.root.classList.toggle("log-times", timesOn);
    this.tail = tool(["tail", "Follow"], "Follow the end (f)", () => this.setFollow(!this.follow), false);
    this.tail.hidden = this.complete;
    tools.append(
      element("span", { class: "log-search" }, icon("search"), this.field), this.found,
      tool(["warn", "First error"], "Jump to the first error (e)", () => this.toFirstError()), times, this.tail);
    tools.hidden = false;
    this.end = element("div", { class: "log-end" });
    this.root.append(this.end);
    document.addEventListener("keydown", (event) => {
      if (typing(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      const act = {
        f: () => this.setFollow(!this.follow),
        e: () => this.toFirstError(),
        t: () => times.click(),
        n: () => this.step(1),
        N: () => this.step(-1),
      }[event.key];
      if (act && this.root.isConnected && this.root.checkVisibility?.() !== false) act();
    });
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "/" || typing(event)) return;
      event.preventDefault();
      event.stopPropagation();
      this.field.focus();
    });
  }

  say(trouble = "") {
    if (!this.end) return;
    const lines = `${this.total.toLocaleString("en")} ${this.total === 1 ? "line" : "lines"}`;
    this.end.textContent = trouble || (this.complete ? `${lines}, complete` : `${lines} so far, still running`);
  }
}

export function startLogs() {
  const begin = (root) => {
    if (root.dataset.logReady) return;
    root.dataset.logReady = "yes";
    const log = new Log(root);
    log.start().catch((error) => {
      // What the server drew stays, and can be read.
      console.warn("log:", error.message);
    });
  };
  for (const root of document.querySelectorAll("[data-log]")) begin(root);
  document.addEventListener("htmx:after:swap", () => {
    for (const root of document.querySelectorAll("[data-log]")) begin(root);
  });
}

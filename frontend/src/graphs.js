// Graphs: <andon-graph> asks for its data, draws it, follows what happens. Loaded on pages with graphs only; without it
// a page shows the server's picture of each and the list of causes.
import uPlot from "uplot";
import { element, icon, typing } from "./element.js";
import { causesOf, drawCauses, hidePop, onCauses, putFlags, rereadCauses } from "./graphs.causes.js";
import { explain, putExemplars, reach } from "./graphs.exemplars.js";
import { figures, legend } from "./graphs.legend.js";
import { picture, piled, plot, SYNC } from "./graphs.plot.js";
import { moment, said } from "./graphs.units.js";
import { ask, view } from "./graphs.view.js";

const HEIGHT = 190;
const keyOf = (line) => `${line.query} ${JSON.stringify(line.labels)}`;
const longest = (span) => (span <= 7 * 36e5 ? 1000 : span <= 26 * 36e5 ? 5000 : 30000);

class Graph extends HTMLElement {
  #plot = null;
  #answer = null;
  #lines = [];
  #hidden = new Set();
  #causes = [];
  #exemplars = [];
  #traced = 0;
  #chosen = null;
  #legend = null;
  #asking = null;
  #polling = false;
  #next = 0;
  #seen = false;
  #stale = true;
  #log = false;
  #undo = [];
  #shape = "";

  connectedCallback() {
    if (this.#undo.length) return;
    this.plotBox = this.querySelector(".plot");
    this.plotBox.querySelector("noscript")?.remove();
    this.#menu();
    const seen = new IntersectionObserver((entries) => {
      this.#seen = entries.at(-1).isIntersecting;
      if (this.#seen && this.#stale) this.load();
    }, { rootMargin: "300px" });
    seen.observe(this);
    const sized = new ResizeObserver(() => this.#resize());
    sized.observe(this.plotBox);
    this.addEventListener("andon:refresh", rereadCauses);
    this.#undo = [
      () => seen.disconnect(), () => sized.disconnect(),
      view.listen(() => { this.#stale = true; if (this.#seen) this.load(); }),
      onCauses(() => this.#loadCauses()),
    ];
    graphs.add(this);
  }

  disconnectedCallback() {
    for (const one of this.#undo) one();
    this.#undo = [];
    this.#asking?.abort();
    this.#plot?.destroy();
    this.#plot = null;
    graphs.delete(this);
  }

  get unit() { return this.dataset.unit ?? ""; }
  get kind() { return this.dataset.kind ?? "line"; }
  get points() { return Math.max(this.kind === "bars" ? 20 : 120, Math.min(2000, Math.round(this.plotBox.clientWidth / (this.kind === "bars" ? 8 : this.kind === "heat" ? 6 : this.kind === "dots" ? 2 : 1.5)))); }
  get plotted() { return this.#plot; }
  get answer() { return this.#answer; }

  #address(extra = {}) {
    const dense = new URLSearchParams(location.search).get("points");
    return `${this.dataset.src}&${view.query({ points: dense ?? this.points, ...(view.compare && { compare: view.compare }), ...extra })}`;
  }

  async load() {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    this.#stale = false;
    const slow = setTimeout(() => this.setAttribute("aria-busy", "true"), 150);
    try {
      const [answer, causes] = await Promise.all([ask(this.#address(), asking.signal), this.dataset.causes ? causesOf(this.dataset.causes) : []]);
      if (asking.signal.aborted) return;
      if (causes) this.#causes = causes;
      this.#take(answer);
      reached(true);
      this.#loadExemplars(asking.signal);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#complain(error);
      if (!error.status || error.status >= 500) {
        this.#stale = true;
        reached(false);
        this.#next = Date.now() + pause();
      }
    } finally {
      clearTimeout(slow);
      if (this.#asking === asking) { this.#asking = null; this.removeAttribute("aria-busy"); }
    }
  }

  /** They come after the lines: a plot does not wait for them, nor end without them. */
  async #loadExemplars(signal) {
    if (!this.dataset.exemplars) return;
    const [min, max] = view.span();
    try {
      const { exemplars } = await ask(`${this.dataset.exemplars}&${view.query()}`, signal);
      this.#exemplars = exemplars;
    } catch {
      if (signal?.aborted) return;
    }
    this.#traced = Date.now() + (this.#exemplars.length ? 5 : 30) * longest(max - min);
    if (!this.#plot) return;
    this.#plot.rescale();
    this.#put();
    this.#sentence();
  }

  /** What stands over the plot. */
  #put() {
    if (this.dataset.causes) putFlags(this, this.#plot, this.#causes);
    if (!this.dataset.exemplars) return;
    const count = putExemplars(this, this.#plot, this.#exemplars, this.#lines);
    explain(this.querySelector(".plot-traces"), count, `${this.querySelector("[data-as-table]")?.href ?? ""}`);
  }

  async #loadCauses() {
    if (!this.dataset.causes || !this.#seen) return;
    const found = await causesOf(this.dataset.causes);
    if (!found || !this.#plot) return;
    this.#causes = found;
    this.#plot.redraw(false);
    this.#put();
    this.#sentence();
  }

  /** What is new since the last answer: points are added, the oldest leave, the picture moves on. */
  async poll(now) {
    if (this.#stale && this.#seen && !this.#asking && now >= this.#next) return void (await this.load());
    if (!view.live || !this.#answer || this.#polling || this.#asking || !this.#seen || now < this.#next) return;
    const [min, max] = view.span();
    this.#next = now + longest(max - min) - 60;
    if (this.kind === "heat") {
      // its buckets may be others by now
      this.#next = now + 5 * longest(max - min);
      return void (await this.load());
    }
    this.#polling = true;
    const before = this.#answer;
    try {
      const times = before.times;
      const since = before.head ? times.at(-2) ?? 0 : times.at(-1) ?? 0;
      if (!since) return void (await this.load());
      const fresh = await ask(this.#address({ since }));
      reached(true);
      if (before !== this.#answer) return;
      if (fresh.step !== before.step) return void (await this.load());
      this.#append(before, fresh, min);
      if (now > this.#traced) await this.#loadExemplars();
    } catch (error) {
      if (!error.status || error.status >= 500) reached(false);
      this.#next = now + pause();
    } finally {
      this.#polling = false;
    }
  }

  #append(before, fresh, min) {
    const keep = before.times.length - (before.head ? 1 : 0);
    let drop = 0;
    while (drop < keep && before.times[drop] < min - before.step) drop += 1;
    const known = new Set(before.lines.map(lineKey));
    if (fresh.lines.some((line) => !known.has(lineKey(line)) && line.values.some((value) => value != null))) return void this.load();
    const news = new Map(fresh.lines.map((line) => [lineKey(line), line.values]));
    const empty = fresh.times.map(() => null);
    const lines = before.lines.map((line) => ({ ...line, values: [...line.values.slice(drop, keep), ...(news.get(lineKey(line)) ?? empty)] }));
    this.#take({ ...fresh, lines, start: before.start, times: [...before.times.slice(drop, keep), ...fresh.times] });
  }

  #take(answer) {
    this.#answer = answer;
    const turns = new Map();
    this.#lines = answer.lines.map((line) => {
      const turn = line.past ? 0 : turns.get(line.colour) ?? 0;
      if (!line.past) turns.set(line.colour, turn + 1);
      return { ...line, key: keyOf(line), round: turn };
    });
    // what was then lies under what is now
    this.#lines.sort((a, b) => Number(b.past) - Number(a.past));
    for (const line of this.#lines) if (line.past) line.round = 0;
    const shape = JSON.stringify([this.#lines.map(lineKey), this.kind === "heat" ? answer.lines.length : 0, view.compare]);
    const nothing = !answer.times.length || !answer.lines.some((line) => line.values.some((value) => value != null));
    this.#note(nothing ? "No data in this time" : answer.left_out ? `${answer.left_out} more lines are not drawn: group them, or filter` : "");
    if (this.#plot && shape === this.#shape && !nothing) {
      this.#plot.renew({ ...answer, lines: this.kind === "heat" ? answer.lines : this.#drawn() }, this.#drawn());
      this.#put();
      if (this.#legend) this.#legend.renew(this.#lines);
      this.#headline();
    } else {
      this.#shape = shape;
      this.#draw();
    }
    this.#sentence();
    this.dispatchEvent(new CustomEvent("andon:drawn", { bubbles: true }));
  }

  #shown = (line) => !this.#hidden.has(line.key);
  #drawn() { return piled(this.kind) ? this.#lines.filter(this.#shown) : this.#lines; }

  #draw() {
    hidePop();
    this.#plot?.destroy();
    this.querySelector(".plot-flags")?.remove();
    const big = !!this.closest(".wall");
    const answer = this.#answer;
    this.#plot = plot({
      answer, lines: this.#drawn(), unit: this.unit, kind: this.kind, log: this.#log, big,
      width: this.plotBox.clientWidth, height: this.#height(), bare: !this.dataset.causes,
      span: () => view.span(), shown: this.#shown,
      reach: (most) => reach(this.#exemplars, most),
      onUnder: (u, tone) => drawCauses(u, this.#causes, tone, this.#chosen),
      onCursor: (u) => this.#follow(u),
      onZoom: (min, max) => view.zoom(min, max),
      onWiden: () => view.widen(),
    }, this.plotBox);
    this.#plot.root.setAttribute("role", "img");
    this.#plot.over.addEventListener("mouseleave", () => this.#follow(null));
    this.#annotating();
    this.#put();
    this.#figures();
  }

  #figures() {
    const box = this.querySelector(".plot-legend");
    if (this.kind === "heat") {
      this.#legend = null;
      box.replaceChildren(element("p", { class: "legend-heat" }, "Point at a field to see how often"));
    } else {
      this.#legend = legend(this.#lines, this.unit, this.#shown, (line, add) => this.#isolate(line, add));
      box.replaceChildren(this.#legend.table);
      box.toggleAttribute("tabindex", false);
      if (box.scrollHeight > box.clientHeight + 1) box.setAttribute("tabindex", "0");
    }
    this.#headline();
  }

  /** The last value, large, where there is one line. */
  #headline() {
    const now = this.querySelector(".plot-now");
    const present = this.#lines.filter((line) => !line.past);
    if (now) now.textContent = present.length === 1 && this.kind !== "heat" ? said(figures(present[0].values).last, this.unit) : "";
  }

  #isolate(line, add) {
    const others = this.#lines.filter((one) => !one.past && one.key !== line.key);
    if (add) this.#hidden.has(line.key) ? this.#hidden.delete(line.key) : this.#hidden.add(line.key);
    else if (!this.#hidden.has(line.key) && others.length && others.every((one) => this.#hidden.has(one.key))) this.#hidden.clear();
    else this.#hidden = new Set(others.map((one) => one.key));
    const place = [...this.querySelectorAll(".legend-line")].indexOf(document.activeElement);
    this.#draw();
    this.querySelectorAll(".legend-line")[place]?.focus();
  }

  #follow(u) {
    let place = u?.cursor.left >= 0 ? u.cursor.idx : null;
    // a bar lies before its time
    if (place != null && this.kind === "bars" && place + 1 < this.#answer.times.length && this.#answer.times[place] < u.posToVal(u.cursor.left, "x")) place += 1;
    let pill = this.querySelector(".plot-time");
    if (place == null) {
      if (pill) pill.hidden = true;
      if (this.kind !== "heat") this.#legend?.follow(null);
      return;
    }
    if (!pill) pill = this.plotBox.appendChild(element("span", { class: "plot-time", "aria-hidden": "true" }));
    pill.hidden = false;
    pill.textContent = moment(this.#answer.times[place]);
    const width = pill.offsetWidth;
    const at = u.cursor.left + u.bbox.left / (devicePixelRatio || 1);
    pill.style.left = `${Math.min(Math.max(0, at - width / 2), this.plotBox.clientWidth - width)}px`;
    if (this.kind === "heat") this.#field(u, place);
    else this.#legend?.follow(place);
  }

  #field(u, place) {
    const row = u.rows[Math.floor(u.posToVal(u.cursor.top, "y"))];
    const text = this.querySelector(".legend-heat");
    if (!row || !text) return;
    const range = Number.isFinite(row.top) ? `${said(row.bottom, this.unit)} to ${said(row.top, this.unit)}` : `more than ${said(row.bottom, this.unit)}`;
    text.textContent = `${range}: ${said(row.values[place], "1/s")}`;
  }

  /** Marks some causes, whose flag is open; `null` marks none. */
  choose(ids) {
    this.#chosen = ids;
    this.#plot?.redraw(false);
  }

  #sentence() {
    const present = this.#lines.filter((line) => !line.past && this.#shown(line));
    const all = figures(present.flatMap((line) => line.values));
    const last = present.slice(0, 3).map((line) => `${present.length > 1 ? `${line.label} ` : ""}${said(figures(line.values).last, this.unit)}`).join(", ");
    const text = all.most == null ? "no data in this time" : this.kind === "heat" ? "how often which value, from low to high" : `last ${last}; from ${said(all.least, this.unit)} to ${said(all.most, this.unit)}`;
    const [min, max] = view.span();
    const causes = this.#causes.filter((one) => one.time >= min && one.time <= max);
    const failed = causes.filter((one) => one.failed).length;
    this.#plot?.root.setAttribute("aria-label", `${this.dataset.title}: ${text}. ${causes.length} ${causes.length === 1 ? "cause" : "causes"}${failed ? `, ${failed} failed` : ""}.${this.#traces()}`);
  }

  #traces() {
    const count = this.querySelectorAll("a.exemplar").length;
    return count ? ` ${count} ${count === 1 ? "trace" : "traces"} behind it.` : "";
  }

  #note(text) {
    let note = this.querySelector(".plot-note");
    if (!text) return void note?.remove();
    if (!note) note = this.plotBox.appendChild(element("p", { class: "plot-note" }));
    note.textContent = text;
  }

  #complain(error) {
    if (!error.status && this.#answer) return; // what is shown stays, the dot says that it is old
    const problem = error.problem ?? { message: error.status ? `The server answered ${error.status}.` : "Andon cannot be reached.", remedy: error.status ? "" : "It is tried again by itself." };
    this.#plot?.destroy();
    this.#plot = null;
    this.#answer = null;
    this.querySelector(".plot-exemplars")?.remove();
    this.querySelector(".plot-legend").replaceChildren();
    this.#note([problem.message, problem.remedy].filter(Boolean).join(" "));
    this.querySelector(".plot-note").classList.add("plot-wrong");
  }

  #height() {
    if (this.closest(".wall")) return Math.max(160, this.plotBox.clientHeight);
    return this.classList.contains("graph-tall") ? Math.max(300, Math.min(460, innerHeight * 0.46)) : HEIGHT;
  }

  #resize() {
    const [width, height] = [this.plotBox.clientWidth, this.#height()];
    if (!this.#plot || !width || (this.#plot.width === width && this.#plot.height === height)) return;
    this.#plot.setSize({ width, height });
    this.#put();
  }

  redraw() { if (this.#answer) this.#draw(); }

  /** Moves the picture on when nothing new came. */
  slide() {
    if (!this.#plot || !this.#seen) return;
    const [min, max] = view.span();
    this.#plot.setScale("x", { min, max });
    this.#put();
  }

  #menu() {
    const list = this.querySelector(".plot-menu ul");
    if (!list) return;
    const item = (name, label, act) => element("li", {}, element("button", { type: "button", onclick: (event) => { act(event.currentTarget); this.querySelector(".plot-menu").removeAttribute("open"); } }, icon(name), label));
    list.append(
      this.kind === "heat" || piled(this.kind) ? "" : item("graph", "Logarithmic scale", (button) => { this.#log = !this.#log; button.setAttribute("aria-pressed", String(this.#log)); this.redraw(); }),
      item("download", "Save as PNG", () => this.save()),
    );
    const csv = this.querySelector("[data-csv]");
    csv?.addEventListener("click", () => { csv.href = this.#address().replace("/graphs/data?", "/graphs/data.csv?"); });
  }

  save() {
    if (!this.#plot) return;
    picture(this.#plot, this.dataset.title, this.kind === "heat" ? [] : this.#lines.filter(this.#shown), this.unit).toBlob((blob) => {
      const link = element("a", { href: URL.createObjectURL(blob), download: `${this.dataset.title.replace(/[^\w-]+/g, "-").toLowerCase()}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  /** A click on the time axis annotates that moment. */
  #annotating() {
    const form = document.querySelector("[data-annotate]");
    if (!form || !this.dataset.causes) return;
    const axis = this.#plot.root.querySelector(".u-axis");
    axis.classList.add("axis-annotate");
    axis.title = "Click to annotate this moment";
    axis.addEventListener("click", (event) => {
      const at = Math.round(this.#plot.posToVal(event.clientX - this.#plot.over.getBoundingClientRect().left, "x"));
      form.open = true;
      form.querySelector("[name=at]").value = new Date(at).toISOString().slice(0, 19);
      form.querySelector("[data-annotate-when]").textContent = moment(at);
      form.scrollIntoView({ block: "nearest" });
      form.querySelector("[name=text]").focus();
    });
  }
}

const lineKey = (line) => `${line.past ? "past " : ""}${keyOf(line)}`;
const graphs = new Set();

// The bar: range, comparison, live or not. Its links work without script; with it nothing is loaded anew.

let alive = true;
let failures = 0;

function reached(well) {
  failures = well ? 0 : failures + 1;
  if (alive === failures < 2) return;
  alive = failures < 2;
  lamp();
}

/** How long to wait before it is tried again, longer each time. */
const pause = () => Math.min(15000, 1000 * 2 ** Math.min(4, failures / Math.max(1, graphs.size)));

/** Whether the graphs go on by themselves. */
function lamp() {
  const live = document.querySelector("[data-graph-live]");
  if (!live) return;
  const state = view.live ? (alive ? "on" : "retry") : "off";
  live.dataset.state = state;
  live.querySelector("span:last-child").textContent = { on: "live", retry: "reconnecting", off: view.paused ? "paused" : "fixed" }[state];
  live.setAttribute("aria-pressed", String(view.live));
}

function bar() {
  for (const link of document.querySelectorAll("[data-range]")) mark(link, link.dataset.range === view.from && view.to === "");
  for (const link of document.querySelectorAll("[data-compare]")) mark(link, link.dataset.compare === view.compare);
  const own = document.querySelector("[data-range-own]");
  if (own) {
    const [min, max] = view.span();
    const usual = view.to === "" && !!document.querySelector(`[data-range="${CSS.escape(view.from)}"]`);
    own.hidden = usual;
    own.textContent = usual ? "" : `${moment(min).slice(0, -3)} – ${view.to === "" ? "now" : moment(max).slice(0, -3)}`;
  }
  lamp();
  for (const region of document.querySelectorAll("[data-graph-region]")) {
    const address = new URL(region.getAttribute("hx-get"), location.href);
    address.searchParams.set("from", view.from);
    if (view.to) address.searchParams.set("to", view.to); else address.searchParams.delete("to");
    if (region.getAttribute("hx-get") === address.pathname + address.search) continue;
    region.setAttribute("hx-get", address.pathname + address.search);
    region.dispatchEvent(new CustomEvent("andon:refresh"));
  }
  for (const link of document.querySelectorAll("[data-keep-range]")) {
    const address = new URL(link.href, location.href);
    for (const name of ["from", "to", "compare"]) view[name] ? address.searchParams.set(name, view[name]) : address.searchParams.delete(name);
    link.href = address.pathname + address.search;
  }
}

// What is annotated comes back to what was seen.
document.addEventListener("submit", (event) => {
  const back = event.target.elements?.back;
  if (back) back.value = location.pathname + location.search;
}, true);

function mark(link, current) {
  if (current) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-range], [data-compare], [data-graph-live], [data-graph-out], [data-shift]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  if (link.dataset.range) view.go({ from: link.dataset.range, to: "", paused: false });
  else if ("compare" in link.dataset) view.go({ compare: link.dataset.compare });
  else if (link.dataset.shift) view.shift(Number(link.dataset.shift));
  else if ("graphOut" in link.dataset) view.widen();
  else if (view.to && view.to !== "now") view.go({ from: document.querySelector("[data-graphs]").dataset.graphs, to: "", paused: false });
  else { view.paused = !view.paused; lamp(); }
});

document.addEventListener("keydown", (event) => {
  if (typing(event) || event.metaKey || event.ctrlKey || event.altKey || !graphs.size) return;
  if (event.target.closest?.("[role=tablist], .plot-legend, details[open]")) return;
  if (event.key === "[" || event.key === "]") view.shift(event.key === "[" ? -0.5 : 0.5);
  else if (event.key === "-") view.widen();
});

window.addEventListener("popstate", () => { view.read(document.querySelector("[data-graphs]")?.dataset.graphs ?? "6h"); view.tell(); });
view.read(document.querySelector("[data-graphs]")?.dataset.graphs ?? "6h");
view.listen(bar);
bar();
customElements.define("andon-graph", Graph);

setInterval(() => {
  if (document.visibilityState !== "visible") return;
  const now = Date.now();
  for (const graph of graphs) graph.poll(now);
}, 500);
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible" && view.live) view.tell(); });

const repaint = () => { for (const graph of graphs) graph.redraw(); };
new MutationObserver(repaint).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
uPlot.sync(SYNC);

// A wall shows one dashboard after the other.
const next = document.body.dataset.wallNext;
if (next) setTimeout(() => { location.href = next; }, Number(document.body.dataset.wallSeconds ?? 30) * 1000);

// A question is sent with Ctrl-Enter from its field.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && event.target.matches?.("textarea[name=query]")) event.target.form.requestSubmit();
});

// Causes: a line on the plot, a flag above it that says who did what and links to it.
import { element, icon } from "./element.js";
import { pale } from "./graphs.plot.js";
import { moment } from "./graphs.units.js";
import { ask, view } from "./graphs.view.js";

const ICONS = { deployment: "deploy", "roll-back": "back", migration: "database", flag: "flag", configuration: "settings", incident: "alert", alert: "alert", annotation: "flag", environment: "environment", instance: "retry" };
const STATES = { deployment: "run", "roll-back": "warn", migration: "hold", flag: "hold", configuration: "hold", incident: "bad", alert: "bad", annotation: "none", environment: "none", instance: "none" };
const MINOR = new Set(["instance", "environment"]);
const APART = 20; // pixels: flags that stand closer than this become one

export const stateOf = (cause) => (cause.failed ? "bad" : STATES[cause.kind] ?? "none");
const grave = (causes) => causes.find((one) => one.failed) ?? causes.find((one) => !MINOR.has(one.kind)) ?? causes[0];

// Graphs of one service ask the same: they share an answer.
const asked = new Map();
const listeners = new Set();

export function causesOf(address) {
  const whole = `${address}${address.includes("?") ? "&" : "?"}${view.query()}`;
  if (!asked.has(whole)) {
    const answer = ask(whole).then((found) => found.causes, () => { asked.delete(whole); return null; });
    asked.set(whole, answer);
    setTimeout(() => asked.delete(whole), 400);
  }
  return asked.get(whole);
}

export const onCauses = (heard) => { listeners.add(heard); return () => listeners.delete(heard); };
let timer = 0;
export function rereadCauses() {
  clearTimeout(timer);
  timer = setTimeout(() => { asked.clear(); for (const heard of [...listeners]) heard(); }, 60);
}

/** Lines and bands on the canvas, under the data. */
export function drawCauses(u, causes, tone, open) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const cause of causes) {
    const colour = tone[stateOf(cause)];
    const x = Math.round(u.valToPos(cause.time, "x", true)) + 0.5;
    if (cause.until) {
      const end = u.valToPos(cause.until, "x", true);
      ctx.fillStyle = pale(colour, 0.1);
      ctx.fillRect(x, bbox.top, end - x, bbox.height);
    }
    const chosen = open?.includes(cause.id);
    ctx.strokeStyle = pale(colour, chosen ? 1 : MINOR.has(cause.kind) ? 0.3 : 0.65);
    ctx.lineWidth = (chosen ? 2 : 1) * ratio;
    ctx.setLineDash(cause.failed ? [] : [3 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - 4 * ratio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

function told(cause) {
  return element("li", { class: `cause s-${stateOf(cause)}` },
    element("span", { class: "cause-icon" }, icon(ICONS[cause.kind] ?? "dot")),
    element("div", {},
      element("p", { class: "cause-title" }, cause.href ? element("a", { href: cause.href }, cause.title) : cause.title),
      element("p", { class: "cause-meta" }, [cause.who, [cause.service, cause.environment].filter(Boolean).join("/"), moment(cause.time)].filter(Boolean).join(" · ")),
      cause.detail && element("p", { class: "cause-detail" }, cause.detail)));
}

let box = null;
let owner = null;
let hiding = 0;

export function hidePop() {
  clearTimeout(hiding);
  box?.remove();
  box = null;
  const former = owner;
  owner = null;
  if (former?.hasAttribute("aria-expanded")) former.setAttribute("aria-expanded", "false");
  former?.closest("andon-graph")?.choose?.(null);
}

/** Hides what is said of something that is there no more. */
export const hideOrphan = () => { if (owner && !owner.isConnected) hidePop(); };
export const hideSoon = () => { clearTimeout(hiding); hiding = setTimeout(hidePop, 220); };

/** What is said of something on a graph, below it, or above it where it stands low. */
export function popAt(anchor, graph, left, top, ...told) {
  clearTimeout(hiding);
  if (owner === anchor) return false;
  hidePop();
  owner = anchor;
  box = element("div", { class: "graph-pop", id: "graph-pop", onmouseenter: () => clearTimeout(hiding), onmouseleave: hideSoon }, ...told);
  const area = graph.querySelector(".plot");
  area.append(box);
  box.style.left = `${Math.max(4, Math.min(Math.max(4, left - box.offsetWidth / 2), area.clientWidth - box.offsetWidth - 4))}px`;
  box.style.top = `${top > area.clientHeight * 0.55 ? top - box.offsetHeight - 10 : top + 10}px`;
  return true;
}

function showPop(flag, causes, graph) {
  const strip = flag.parentElement;
  const left = flag.offsetLeft + flag.offsetWidth / 2 + strip.offsetLeft;
  const list = element("ul", {}, ...causes.slice(0, 8).map(told));
  if (!popAt(flag, graph, left, flag.offsetTop + flag.offsetHeight + strip.offsetTop - 4, list, causes.length > 8 && element("p", { class: "cause-meta" }, `and ${causes.length - 8} more, in the list below`))) return;
  flag.setAttribute("aria-expanded", "true");
  graph.choose(causes.map((one) => one.id));
}

/** Flags above the plot, put anew whenever its range changes. */
export function putFlags(graph, u, causes) {
  const strip = graph.querySelector(".plot-flags") ?? graph.querySelector(".plot").appendChild(element("div", { class: "plot-flags", role: "group", "aria-label": "What happened" }));
  const held = document.activeElement?.closest?.(".plot-flags") === strip ? document.activeElement.dataset.cause : null;
  const ratio = devicePixelRatio || 1;
  strip.style.left = `${u.bbox.left / ratio}px`;
  strip.style.width = `${u.bbox.width / ratio}px`;
  const groups = [];
  for (const cause of causes) {
    const x = u.valToPos(cause.time, "x");
    if (x < -1 || x > u.bbox.width / ratio + 1) continue;
    const last = groups.at(-1);
    if (last && x - last.x < APART) last.causes.push(cause);
    else groups.push({ x, causes: [cause] });
  }
  const kept = new Map([...strip.children].map((one) => [one.dataset.cause, one]));
  const flags = groups.map(({ x, causes: some }) => {
    const first = grave(some);
    const key = some.map((one) => one.id).join(" ");
    const many = some.length > 1;
    const flag = kept.get(key) ?? element("button", {
      type: "button", class: `cause-flag s-${stateOf(first)}${some.every((one) => MINOR.has(one.kind)) ? " cause-minor" : ""}`, "data-cause": key, "aria-expanded": "false",
      "aria-label": many ? `${some.length} causes: ${some.map((one) => one.title).join(", ").slice(0, 200)}` : `${first.title}, ${first.who}, ${moment(first.time)}`,
      onmouseenter: (event) => showPop(event.currentTarget, some, graph), onmouseleave: hideSoon,
      onfocus: (event) => showPop(event.currentTarget, some, graph),
      onblur: (event) => { if (!event.relatedTarget?.closest?.(".graph-pop")) hideSoon(); },
      onclick: (event) => { showPop(event.currentTarget, some, graph); box?.querySelector("a")?.focus(); },
    }, icon(ICONS[first.kind] ?? "dot"), many && element("span", { class: "cause-count" }, String(some.length)));
    flag.style.left = `${x}px`;
    return flag;
  });
  if (flags.length !== strip.children.length || flags.some((flag, place) => strip.children[place] !== flag)) strip.replaceChildren(...flags);
  if (held) [...strip.children].find((one) => one.dataset.cause === held)?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !box) return;
  const back = owner;
  const inside = box.contains(document.activeElement);
  hidePop();
  if (inside) { back?.focus(); hidePop(); }
});
document.addEventListener("pointerdown", (event) => { if (box && !event.target.closest(".graph-pop, .cause-flag")) hidePop(); });
document.addEventListener("focusout", (event) => { if (box?.contains(event.target) && event.relatedTarget && !box.contains(event.relatedTarget) && event.relatedTarget !== owner) hideSoon(); });

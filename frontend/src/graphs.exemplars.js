// Exemplars: single observations on a plot, each a link to its trace. One stop of the Tab key a graph, arrows between them.
import { element, icon } from "./element.js";
import { hideOrphan, hideSoon, popAt } from "./graphs.causes.js";
import { moment, said } from "./graphs.units.js";

const ROOM = 2; // an axis grows to so many times what its lines need; what lies above stands at its edge

/** How far up an axis has to reach for them, where its lines reach `most`. */
export function reach(exemplars, most) {
  let highest = null;
  for (const one of exemplars) if (one.value != null && (highest == null || one.value > highest)) highest = one.value;
  return highest == null || most == null ? highest : Math.max(most, Math.min(highest, most * ROOM));
}

/** Where it stands, in pixels from the top; above the axis is negative. */
function level(u, kind, value) {
  const height = u.bbox.height / (devicePixelRatio || 1);
  if (value == null) return height - 6;
  if (kind !== "heat") return u.valToPos(value, "y");
  const place = u.rows.findIndex((row) => value <= row.top);
  if (place < 0) return -1;
  const { bottom, top } = u.rows[place];
  return u.valToPos(place + (Number.isFinite(top) && top > bottom ? Math.max(0, (value - bottom) / (top - bottom)) : 0.5), "y");
}

/** The colour of the line it belongs to; none where that is not one of them. */
function tint(one, lines) {
  const mine = lines.filter((line) => !line.past && Object.keys(line.labels).length && Object.entries(line.labels).every(([name, value]) => one.labels[name] === value));
  return mine.length === 1 ? (mine[0].colour === "bad" ? " series-bad" : ` v-${mine[0].colour}`) : "";
}

const keyOf = (one) => `${one.trace} ${one.time} ${one.value}`;
const placeOf = (one) => [one.labels.version, one.labels.environment].filter(Boolean).join(" · ");

function show(link, one, graph) {
  const layer = link.parentElement;
  popAt(link, graph, link.offsetLeft + layer.offsetLeft, link.offsetTop + layer.offsetTop,
    element("div", { class: "exemplar-says" },
      element("p", { class: "exemplar-value" }, one.value == null ? "One of them" : said(one.value, graph.unit)),
      element("p", { class: "cause-meta" }, [moment(one.time), placeOf(one)].filter(Boolean).join(" · ")),
      element("p", { class: "exemplar-trace" }, icon("route"), element("code", {}, one.trace), element("span", { class: "sr" }, "trace"))));
}

function move(event) {
  const links = [...event.currentTarget.children];
  const at = links.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (at < 0 || to == null) return;
  event.preventDefault();
  event.stopPropagation();
  links[Math.max(0, Math.min(to, links.length - 1))].focus();
}

const only = (link) => { for (const one of link.parentElement.children) one.tabIndex = one === link ? 0 : -1; };

/** Marks over the plot, put anew whenever its range or its axis changes; how many there are. */
export function putExemplars(graph, u, exemplars, lines) {
  const area = graph.querySelector(".plot");
  let layer = area.querySelector(".plot-exemplars");
  if (!exemplars.length) {
    layer?.remove();
    hideOrphan();
    return 0;
  }
  if (!layer) layer = area.insertBefore(element("div", { class: "plot-exemplars", role: "group", "aria-label": `Traces behind ${graph.dataset.title}`, onkeydown: move }), area.querySelector(".plot-flags"));
  const ratio = devicePixelRatio || 1;
  const [left, top, width, height] = [u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height].map((one) => one / ratio);
  Object.assign(layer.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  const kept = new Map([...layer.children].map((link) => [link.dataset.key, link]));
  const links = [];
  const values = new Map();
  for (const one of exemplars) {
    const x = u.valToPos(one.time, "x");
    const y = level(u, graph.kind, one.value);
    if (x < 0 || x > width || Number.isNaN(y)) continue;
    const link = kept.get(keyOf(one)) ?? element("a", {
      href: one.href, tabindex: "-1", "data-key": keyOf(one),
      "aria-label": ["Trace", one.trace.slice(0, 7), one.value == null ? "" : said(one.value, graph.unit), placeOf(one), moment(one.time)].filter(Boolean).join(" "),
      onmouseenter: (event) => show(event.currentTarget, one, graph), onmouseleave: hideSoon,
      onfocus: (event) => { only(event.currentTarget); show(event.currentTarget, one, graph); }, onblur: hideSoon,
    });
    const above = y < 0;
    link.className = `exemplar${tint(one, lines)}${above ? " exemplar-above" : ""}`;
    link.style.left = `${x}px`;
    link.style.top = `${Math.min(height, Math.max(4, y))}px`;
    values.set(link, one.value ?? -Infinity);
    links.push(link);
  }
  // marks at the edge may lie over one another: what took longest is what one came for
  [...links].sort((a, b) => values.get(a) - values.get(b)).forEach((link, rank) => { link.style.zIndex = rank; });
  if (links.length !== layer.children.length || links.some((link, place) => layer.children[place] !== link)) {
    const held = document.activeElement?.parentElement === layer ? document.activeElement : null;
    layer.replaceChildren(...links);
    if (held && links.includes(held)) held.focus();
    hideOrphan();
  }
  if (links.length && !links.some((link) => link.tabIndex === 0)) links[links.length - 1].tabIndex = 0;
  return links.length;
}

/** What the marks are, below the lines' names. */
export function explain(box, count, address) {
  if (!box || box.dataset.count === String(count)) return;
  box.dataset.count = count;
  box.hidden = !count;
  if (count) box.replaceChildren(element("span", { class: "exemplar", "aria-hidden": "true" }), `${count} ${count === 1 ? "trace" : "traces"} behind it`, element("a", { href: address, "data-keep-range": true }, "as a list"));
}

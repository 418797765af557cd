// One plot on uPlot: lines, areas on top of each other, dots, and heat maps. Colours come from the page's tokens.
import uPlot from "uplot";
import { fromZero, increments, mark, said } from "./graphs.units.js";

const FONT = '11px "Inter Variable", Inter, system-ui, sans-serif';
const BIG = '600 16px "Inter Variable", Inter, system-ui, sans-serif';
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];
export const SYNC = "andon";

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  const found = { ink: token("ink"), muted: token("muted"), line: token("line"), strong: token("line-strong"), surface: token("surface"), heat: token("run-solid") };
  for (const state of ["ok", "run", "warn", "bad", "hold", "none"]) found[state] = token(`${state}-solid`);
  for (let number = 1; number <= 6; number += 1) found[number] = token(`series-${number}`);
  return found;
}

export function pale(colour, alpha) {
  const number = parseInt(colour.slice(1), 16);
  return `rgba(${number >> 16}, ${(number >> 8) & 255}, ${number & 255}, ${alpha})`;
}

const bound = (label) => (label === "+Inf" || label === "Inf" ? Infinity : Number(label));

/** The buckets of a histogram, each with what is in it alone: they come as running totals. */
export function cells(lines) {
  const rows = lines.filter((line) => !line.past && "le" in line.labels).map((line) => ({ top: bound(line.labels.le), values: line.values })).sort((a, b) => a.top - b.top);
  const made = rows.map((row, place) => ({
    top: row.top,
    bottom: place ? rows[place - 1].top : 0,
    values: row.values.map((value, i) => (value == null ? null : Math.max(0, value - (place ? rows[place - 1].values[i] ?? 0 : 0)))),
  }));
  const filled = made.map((row) => row.values.some((value) => value > 0));
  const first = Math.max(0, filled.indexOf(true) - 1);
  const last = Math.min(made.length - 1, filled.lastIndexOf(true) + 1);
  return filled.includes(true) ? made.slice(first, last + 1) : made;
}

/** Whether lines are drawn on top of each other. */
export const piled = (kind) => kind === "stack" || kind === "bars";

/** Columns for uPlot. Stacked lines stand on those after them; `null` stays a gap where all are. */
function columns(kind, answer, lines, shown) {
  if (kind === "heat") return [answer.times, answer.times.map(() => 0)];
  if (!piled(kind)) return [answer.times, ...lines.map((line) => line.values)];
  const present = lines.filter((line) => !line.past && shown(line));
  const sum = answer.times.map((_, i) => (present.some((line) => line.values[i] != null) ? 0 : null));
  const stacked = [];
  for (let place = lines.length - 1; place >= 0; place -= 1) {
    const line = lines[place];
    if (line.past) { stacked.unshift(line.values); continue; }
    const visible = shown(line);
    stacked.unshift(line.values.map((value, i) => {
      if (!visible) return null;
      if (value != null) sum[i] += value;
      return sum[i];
    }));
  }
  return [answer.times, ...stacked];
}

/** Values on their own, with nothing on either side: a line would not show them. */
function alone(u, index, show, gaps) {
  const values = u.data[index];
  const found = [];
  for (let i = 0; i < values.length; i += 1) if (values[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  return found.length ? found : null;
}

/** Bars from zero, each as long as the time in which its value came: since the value before. */
function bars(u, index) {
  const [times, values] = [u.data[0], u.data[index]];
  const path = new Path2D();
  const ratio = devicePixelRatio || 1;
  const zero = u.valToPos(0, "y", true);
  let left = times.length > 1 ? u.valToPos(2 * times[0] - times[1], "x", true) : u.bbox.left;
  for (let i = 0; i < times.length; i += 1) {
    const right = u.valToPos(times[i], "x", true);
    if (values[i] != null) {
      const top = u.valToPos(values[i], "y", true);
      const gap = right - left > 4 * ratio ? ratio : 0;
      path.rect(Math.round(left), top, Math.max(ratio, Math.round(right - gap) - Math.round(left)), zero - top);
    }
    left = right;
  }
  return { stroke: path, fill: path, clip: null, band: null, gaps: null, flags: 0 };
}

/** The line's own colour, in the plot's tokens. */
export const hue = (line, tone) => tone[line.colour] ?? tone[1];

function stroke(line, place, tone, kind, only) {
  const colour = hue(line, tone);
  const series = { label: line.label, stroke: line.past ? pale(colour, 0.42) : colour, width: line.past ? 1 : 1.6, dash: DASHES[Math.min(3, line.round ?? 0)], spanGaps: false };
  series.points = { show: false, filter: alone, size: 4, width: 0, fill: colour, stroke: colour };
  if (kind === "bars") Object.assign(series, { paths: bars, fill: line.past ? pale(tone.none, 0.3) : colour, width: 0, points: { show: false } });
  else if (line.past && only) Object.assign(series, { fill: pale(tone.none, 0.14), stroke: tone.none });
  else if (kind === "stack" && !line.past) Object.assign(series, { fill: pale(colour, 0.78), width: 0, points: { show: false } });
  else if (kind === "dots") Object.assign(series, { paths: () => null, points: { show: true, size: 6, width: 0, fill: pale(colour, line.past ? 0.3 : 0.8), stroke: colour } });
  else if (only) series.fill = (u) => {
    const shade = u.ctx.createLinearGradient(0, u.bbox.top, 0, u.bbox.top + u.bbox.height);
    shade.addColorStop(0, pale(colour, 0.24));
    shade.addColorStop(1, pale(colour, 0.02));
    return shade;
  };
  return series;
}

function heights(unit, log, reach, zero) {
  return (u, least, most) => {
    const far = reach?.(most);
    if (far != null) [least, most] = [Math.min(least ?? (log ? far : 0), far), Math.max(most ?? far, far)];
    if (least == null || most == null) return log ? [0.1, 1] : [0, 1];
    if (log) return [10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(most))];
    if (zero || fromZero(unit)) {
      if (least >= 0) return [0, most > 0 ? most * 1.08 : 1];
      return [least * 1.08, Math.max(0, most * 1.08)];
    }
    const room = (most - least || Math.abs(most) || 1) * 0.1;
    return [least - room, most + room];
  };
}

function drawHeat(rows, tone) {
  return (u) => {
    const { ctx, bbox } = u;
    const times = u.data[0];
    let most = 0;
    for (const row of rows) for (const value of row.values) if (value > most) most = value;
    if (!most || times.length < 2) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const step = times[1] - times[0];
    // several columns may share a pixel: the fullest of them is drawn
    const wide = Math.max(1, Math.ceil(1 / Math.max(1e-9, Math.abs(u.valToPos(times[1], "x", true) - u.valToPos(times[0], "x", true)))));
    rows.forEach((row, place) => {
      const top = u.valToPos(place + 1, "y", true);
      const bottom = u.valToPos(place, "y", true);
      for (let i = 0; i < times.length; i += wide) {
        let value = 0;
        for (let j = i; j < i + wide && j < times.length; j += 1) if (row.values[j] > value) value = row.values[j];
        if (!value) continue;
        const left = Math.round(u.valToPos(i ? times[i - 1] : times[0] - step, "x", true));
        const right = Math.round(u.valToPos(times[Math.min(i + wide, times.length) - 1], "x", true));
        ctx.fillStyle = pale(tone.heat, Math.max(0.04, Math.sqrt(value / most)).toFixed(3));
        ctx.fillRect(left, Math.floor(top) + 1, Math.max(1, right - left), Math.max(1, Math.floor(bottom) - Math.floor(top) - 1));
      }
    });
    ctx.restore();
  };
}

function bucketAxis(rows, unit) {
  const label = (place) => (place < rows.length && Number.isFinite(rows[place].top) ? said(rows[place].top, unit) : "");
  return {
    splits: () => {
      const every = Math.max(1, Math.ceil(rows.length / 7));
      return rows.map((_, place) => place + 1).filter((place) => place % every === 0 && place < rows.length);
    },
    values: (u, splits) => splits.map((place) => label(place - 1)),
    filter: (u, splits) => splits,
  };
}

const measure = document.createElement("canvas").getContext("2d");
function axisWidth(u, values, index, cycle) {
  const axis = u.axes[index];
  if (cycle > 1) return axis._size;
  measure.font = u.root.closest(".wall") ? BIG : FONT;
  let widest = u.width < 420 ? 30 : 46; // plots above each other begin at one line
  for (const value of values ?? []) widest = Math.max(widest, measure.measureText(value).width);
  return Math.ceil(widest) + 14;
}

/** Make the plot. `setup` has answer, lines, unit, kind, log, span(), shown(line), width, height, and what to call. */
export function plot(setup, into) {
  const { answer, lines, unit, kind, log, big } = setup;
  const tone = colours();
  const heat = kind === "heat";
  const rows = heat ? cells(answer.lines) : [];
  const present = lines.filter((line) => !line.past);
  const font = big ? BIG : FONT;
  const grid = { stroke: tone.line, width: 1, show: !heat };
  const series = heat ? [{ paths: () => null, points: { show: false } }] : lines.map((line, place) => ({ ...stroke(line, place, tone, kind, present.length === 1), show: setup.shown(line) }));
  const options = {
    width: setup.width, height: setup.height, ms: 1, padding: [setup.bare ? 8 : 26, 18, 0, 0],
    legend: { show: false },
    focus: { alpha: 0.35 },
    cursor: {
      y: false,
      // the others follow the pointer; what is dragged is one graph's
      sync: { key: SYNC, setSeries: false, scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      drag: { x: true, y: false, setScale: false, dist: 4 },
      points: { show: kind !== "bars", size: 7, width: 2, stroke: () => tone.surface, fill: (u, index) => (heat ? "transparent" : hue(lines[index - 1], tone)) },
      bind: { dblclick: () => () => { setup.onWiden(); return null; } },
    },
    scales: {
      x: { time: true, range: () => setup.span() },
      y: heat ? { range: () => [0, Math.max(1, rows.length)] } : { distr: log ? 3 : 1, range: heights(unit, log, setup.reach, piled(kind)) },
    },
    axes: [
      { stroke: tone.muted, font, grid, ticks: { show: false }, size: big ? 36 : 26, gap: 7, space: big ? 110 : 64, values: (u, splits, index, space, distance) => splits.map((at) => mark(at, distance)) },
      {
        stroke: tone.muted, font, grid, ticks: { show: false }, size: axisWidth, gap: 7, space: big ? 84 : 34,
        ...(heat ? bucketAxis(rows, unit) : { values: (u, splits) => splits.map((value) => (value == null ? "" : said(value, unit))), ...(log ? {} : { incrs: increments(unit) }) }),
      },
    ],
    series: [{}, ...series],
    ...(kind === "stack" ? { bands: lines.slice(0, -1).map((line, place) => ({ series: [place + 1, place + 2] })).filter((band) => !lines[band.series[0] - 1].past && !lines[band.series[1] - 1].past) } : {}),
    hooks: {
      drawAxes: heat ? [] : [(u) => setup.onUnder(u, tone)],
      draw: heat ? [drawHeat(rows, tone), (u) => setup.onUnder(u, tone)] : [],
      setCursor: [setup.onCursor],
      setSelect: [(u) => {
        if (u.select.width < 4) return;
        const min = u.posToVal(u.select.left, "x");
        const max = u.posToVal(u.select.left + u.select.width, "x");
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        setup.onZoom(min, max);
      }],
      setScale: [(u, key) => key === "x" && setup.onScale?.(u)],
    },
  };
  const made = new uPlot(options, log ? positive(columns(kind, answer, lines, setup.shown)) : columns(kind, answer, lines, setup.shown), into);
  made.rows = rows;
  made.renew = (fresh) => {
    made.rows = heat ? cells(fresh.lines) : [];
    const data = columns(kind, fresh, lines, setup.shown);
    made.setData(log ? positive(data) : data, true);
  };
  made.rescale = () => made.setData(made.data, true);
  return made;
}

// a logarithm has no place for what is not above zero
const positive = ([times, ...rest]) => [times, ...rest.map((values) => values.map((value) => (value > 0 ? value : null)))];

/** The picture with its heading and its lines' names, on the page's ground. */
export function picture(u, title, lines, unit) {
  const tone = colours();
  const source = u.ctx.canvas;
  const scale = devicePixelRatio || 1;
  const named = lines.filter((line) => !line.past).slice(0, 12);
  const canvas = document.createElement("canvas");
  canvas.width = source.width + 32 * scale;
  canvas.height = source.height + (76 + Math.ceil(named.length / 3) * 20) * scale;
  const ctx = canvas.getContext("2d");
  ctx.fillStyle = tone.surface;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.scale(scale, scale);
  ctx.fillStyle = tone.ink;
  ctx.font = BIG;
  ctx.fillText(title, 16, 32);
  ctx.drawImage(source, 16, 48, source.width / scale, source.height / scale);
  ctx.font = FONT.replace("11px", "12px");
  named.forEach((line, place) => {
    const left = 16 + (place % 3) * (canvas.width / scale - 32) / 3;
    const top = 48 + source.height / scale + 22 + Math.floor(place / 3) * 20;
    ctx.fillStyle = hue(line, tone);
    ctx.fillRect(left, top - 9, 10, 10);
    ctx.fillStyle = tone.ink;
    const last = line.values.findLast((value) => value != null);
    ctx.fillText(`${line.label} ${said(last, unit)}`.slice(0, 60), left + 16, top);
  });
  return canvas;
}

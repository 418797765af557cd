// Numbers with their units, as people read them; andon.feedback.graphs.model.units has the same for the server.

const SI = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const SECONDS = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9, min: 60, h: 3600, d: 86400 };
const BYTES = { By: 1, kBy: 1e3, MBy: 1e6, KiBy: 1024, MiBy: 1024 ** 2 };
const LENGTHS = [[1e-6, 1e-9, "ns"], [1e-3, 1e-6, "µs"], [1, 1e-3, "ms"], [120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "d"]];

/** Three digits that count. */
function digits(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3)));
}

function si(value) {
  for (const [size, prefix] of SI) if (Math.abs(value) >= size) return `${digits(value / size)} ${prefix}`;
  return `${digits(value)} `;
}

/** "1.25 s", "340 ms", "4.2 MB", "12.5 %", "3.1 k/s"; nothing is "–". */
export function said(value, unit) {
  if (value == null || !Number.isFinite(value)) return "–";
  const rate = unit.endsWith("/s") ? "/s" : "";
  const base = rate ? unit.slice(0, -2) : unit;
  if (base === "%") return `${digits(value * 100)} %${rate}`;
  if (base in SECONDS) {
    const seconds = value * SECONDS[base];
    if (seconds === 0) return `0 s${rate}`;
    const [, divisor, name] = LENGTHS.find(([limit]) => Math.abs(seconds) < limit);
    return `${digits(seconds / divisor)} ${name}${rate}`;
  }
  if (base in BYTES) return `${si(value * BYTES[base])}B${rate}`;
  const name = base === "" || base === "1" || base.startsWith("{") ? "" : ` ${base}`;
  return `${si(value).trimEnd()}${name}${rate ? ` ${rate}` : ""}`;
}

/** Whether an axis begins at zero: what is counted, shared out or lasts is compared by its height. */
export const fromZero = (unit) => unit === "" || unit === "1" || unit === "%" || unit.endsWith("/s") || unit in BYTES || unit in SECONDS;

// Distances between marks of the axis: lengths of time and bytes have steps of their own.
const TEN = [1, 2, 2.5, 5];
const ALL = [];
for (let power = -9; power <= 15; power += 1) for (const one of TEN) ALL.push(Number((one * 10 ** power).toPrecision(3)));
export function increments(unit) {
  const factor = SECONDS[unit];
  if (!factor) return ALL;
  const whole = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  return [...ALL.filter((one) => one * factor < 1).map((one) => one), ...whole.map((one) => one / factor)];
}

const two = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** A mark of the time axis: `distance` (ms) is how far the next one is. */
export function mark(at, distance) {
  const date = new Date(at);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
  if (distance >= 86400000 || midnight) return distance >= 7 * 86400000 ? `${date.getDate()} ${MONTHS[date.getMonth()]}` : `${DAYS[date.getDay()]} ${date.getDate()}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}${distance < 60000 ? `:${two(date.getSeconds())}` : ""}`;
}

/** A moment in the reader's own time: "Tue 24 Nov 14:02:11". */
export function moment(at) {
  const date = new Date(at);
  return `${DAYS[date.getDay()]} ${date.getDate()} ${MONTHS[date.getMonth()]} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// The lines of a plot by name: their figures, and one of them alone by a click.
import { element } from "./element.js";
import { said } from "./graphs.units.js";

export function figures(values) {
  let least = Infinity, most = -Infinity, sum = 0, count = 0, last = null;
  for (const value of values) {
    if (value == null) continue;
    if (value < least) least = value;
    if (value > most) most = value;
    sum += value;
    count += 1;
    last = value;
  }
  return count ? { least, mean: sum / count, most, last } : { least: null, mean: null, most: null, last: null };
}

const tintOf = (line) => (line.colour === "bad" ? "s-bad series-bad" : `v-${line.colour}`);

/** `choose(line, add)` isolates a line, or with `add` shows and hides it. */
export function legend(lines, unit, shown, choose, compact) {
  let rows = lines.filter((line) => !line.past);
  let past = new Map(lines.filter((line) => line.past).map((line) => [line.key, line]));
  let at = null;
  const head = element("tr", {}, element("th", { scope: "col" }, element("span", { class: "sr" }, "line")),
    ...["min", "mean", "max"].map((name) => element("th", { scope: "col", class: "legend-figure" }, name)),
    element("th", { scope: "col", class: "legend-now" }, "last"),
    past.size ? element("th", { scope: "col", class: "legend-then" }, "then") : null);
  const body = rows.map((line) => {
    const found = figures(line.values);
    const button = element("button", {
      type: "button", class: "legend-line", "aria-pressed": String(shown(line)), title: "Click: this line alone. Shift-click: hide or show it.",
      onclick: (event) => choose(line, event.shiftKey || event.ctrlKey || event.metaKey),
    }, element("span", { class: `swatch ${tintOf(line)}`, "aria-hidden": "true" }), element("span", { class: "legend-name" }, line.label));
    return element("tr", { class: shown(line) ? null : "legend-hidden" }, element("th", { scope: "row" }, button),
      ...[found.least, found.mean, found.most].map((value) => element("td", { class: "legend-figure" }, said(value, unit))),
      element("td", { class: "legend-now" }, said(found.last, unit)),
      past.size ? element("td", { class: "legend-then" }, said(figures(past.get(line.key)?.values ?? []).last, unit)) : null);
  });
  const table = element("table", { class: "legend" }, element("thead", {}, head), element("tbody", {}, ...body));
  const cells = [...table.querySelectorAll("tbody .legend-now")];
  const then = [...table.querySelectorAll("tbody .legend-then")];
  const title = table.querySelector("thead .legend-now");
  const own = [...table.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll(".legend-figure")]);
  const put = (cell, text) => { if (cell.textContent !== text) cell.textContent = text; };
  const made = {
    table,
    /** The values at a place of the columns; without one, the last ones. */
    follow(place) {
      at = place;
      put(title, place == null ? "last" : "at cursor");
      rows.forEach((line, row) => {
        put(cells[row], said(place == null ? figures(line.values).last : line.values[place], unit));
        if (!then[row]) return;
        const values = past.get(line.key)?.values ?? [];
        put(then[row], said(place == null ? figures(values).last : values[place], unit));
      });
    },
    /** The same lines with newer values: what is focused or pointed at stays. */
    renew(fresh) {
      rows = fresh.filter((line) => !line.past);
      past = new Map(fresh.filter((line) => line.past).map((line) => [line.key, line]));
      rows.forEach((line, row) => {
        const found = figures(line.values);
        [found.least, found.mean, found.most].forEach((value, place) => put(own[row][place], said(value, unit)));
      });
      made.follow(at != null && at < (rows[0]?.values.length ?? 0) ? at : null);
    },
  };
  return made;
}

// ⌘K / Ctrl-K: one field over rooms, services, runs and environments.
// Asks /palette.json once for {"entries": [{"label", "href", "kind", "note"}, …]} and chooses here; the rail's rooms are
// always in it.
import { element, icon, onMac } from "./element.js";

let opened = null;

export function startPalette() {
  const hint = document.querySelector("[data-key=palette]");
  if (hint) hint.textContent = onMac ? "⌘K" : "Ctrl K";
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    openPalette();
  });
  const form = document.querySelector("[data-palette-open]");
  form?.addEventListener("mousedown", (event) => {
    event.preventDefault();
    openPalette();
  });
  form?.addEventListener("submit", (event) => {
    if (form.elements.q.value.trim()) return;
    event.preventDefault();
    openPalette();
  });
}

const ICONS = {
  service: "catalog", run: "pipeline", repository: "change", change: "change", environment: "environment", deployment: "deploy",
  artifact: "artifact", package: "artifact", command: "terminal", person: "user",
};
const GROUPS = { room: "Rooms", repository: "repositories" };
const MOST = 60;

function rooms() {
  return [...document.querySelectorAll(".rail a")].map((link) => ({
    label: link.textContent.trim(),
    href: link.getAttribute("href"),
    kind: "room",
    note: link.dataset.go ? `g ${link.dataset.go}` : "",
    icon: link.querySelector("use")?.getAttribute("href").slice(3),
  }));
}

/** Entries that hold all words, those whose label begins with the first word before the others. */
function choose(entries, words) {
  const found = entries.filter((entry) => {
    const text = `${entry.label} ${entry.kind} ${entry.note}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const rank = (entry) => (words.length && entry.label.toLowerCase().startsWith(words[0]) ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, MOST);
}

export function openPalette() {
  if (opened) return;
  let chosen = 0;
  let items = [];
  let known = rooms();
  const asking = new AbortController();

  const list = element("div", { class: "palette-list", role: "listbox", id: "palette-list", "aria-label": "Results" });
  const field = element("input", {
    type: "text", placeholder: "Search or jump to", "aria-label": "Search or jump to", role: "combobox", autocomplete: "off",
    spellcheck: "false", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list",
  });
  const dialog = element("dialog", { class: "palette", "aria-label": "Search or jump to" },
    element("div", { class: "palette-search" }, icon("search"), field, element("kbd", {}, "Esc")),
    list,
    element("div", { class: "palette-foot" },
      element("span", {}, element("kbd", {}, "↑"), " ", element("kbd", {}, "↓"), " choose"),
      element("span", {}, element("kbd", {}, "↵"), " open")));

  const draw = () => {
    list.replaceChildren();
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    items = choose(known, words);
    chosen = 0;
    let kind = null;
    items.forEach((item, at) => {
      if (!words.length && item.kind !== kind) list.append(element("div", { class: "palette-group", role: "presentation" }, GROUPS[item.kind] ?? `${item.kind}s`));
      kind = item.kind;
      const note = words.length && item.kind !== "room" ? [item.kind, item.note].filter(Boolean).join(" · ") : item.note;
      list.append(element("div", {
        class: "palette-item", role: "option", id: `palette-${at}`, "aria-selected": "false",
        onclick: () => go(item), onmousemove: () => point(at),
      }, icon(item.icon ?? ICONS[item.kind] ?? "arrow"), element("b", {}, item.label), note && element("span", { class: "palette-hint" }, note)));
    });
    if (!items.length) list.append(element("div", { class: "palette-none", role: "option", "aria-disabled": "true" }, "Nothing found"));
    mark();
  };
  const mark = () => {
    for (const option of list.querySelectorAll(".palette-item")) {
      const on = option.id === `palette-${chosen}`;
      option.setAttribute("aria-selected", String(on));
      if (on) option.scrollIntoView({ block: "nearest" });
    }
    if (items.length) field.setAttribute("aria-activedescendant", `palette-${chosen}`);
    else field.removeAttribute("aria-activedescendant");
  };
  const point = (at) => {
    if (at === chosen) return;
    chosen = at;
    mark();
  };
  const go = (item) => {
    dialog.close();
    location.assign(item.href);
  };
  const ask = async () => {
    try {
      const answer = await fetch("/palette.json", { signal: asking.signal, headers: { accept: "application/json" } });
      if (!answer.ok) return;
      const { entries } = await answer.json();
      // Only addresses of this console: an entry may stem from a repository's words.
      known = [...known, ...entries.filter((entry) => entry.kind !== "page" && /^\/(?![/\\])/.test(entry.href))];
      draw();
    } catch {
      // Without an answer the rooms are still there.
    }
  };

  field.addEventListener("input", draw);
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && items.length) {
      event.preventDefault();
      point((chosen + step + items.length) % items.length);
    } else if (event.key === "Enter" && items[chosen]) {
      event.preventDefault();
      go(items[chosen]);
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    asking.abort();
    dialog.remove();
    opened = null;
  });
  opened = dialog;
  document.body.append(dialog);
  dialog.showModal();
  draw();
  ask();
}

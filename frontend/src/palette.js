// ⌘K / Ctrl-K: one field over rooms, services, runs, environments and commands.
// Asks /palette.json?q=… for {"items": [{"title", "href", "kind", "hint", "icon"}, …]}; the rooms in the rail are always in it.
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

function rooms(words) {
  return [...document.querySelectorAll(".rail a")]
    .map((link) => ({
      title: link.textContent.trim(),
      href: link.getAttribute("href"),
      kind: "Rooms",
      hint: link.dataset.go ? `g ${link.dataset.go}` : "",
      icon: link.querySelector("use")?.getAttribute("href").slice(3),
    }))
    .filter((item) => words.every((word) => item.title.toLowerCase().includes(word)));
}

export function openPalette() {
  if (opened) return;
  let chosen = 0;
  let items = [];
  let asking = null;
  let timer = 0;

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
    let kind = null;
    items.forEach((item, at) => {
      if (item.kind && item.kind !== kind) list.append(element("div", { class: "palette-group", role: "presentation" }, item.kind));
      kind = item.kind;
      list.append(element("div", {
        class: "palette-item", role: "option", id: `palette-${at}`, "aria-selected": String(at === chosen),
        onclick: () => go(item), onmousemove: () => choose(at),
      }, icon(item.icon || "arrow"), element("b", {}, item.title), item.hint && element("span", { class: "palette-hint" }, item.hint)));
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
  const choose = (at) => {
    if (at === chosen) return;
    chosen = at;
    mark();
  };
  const go = (item) => {
    dialog.close();
    location.assign(item.href);
  };
  const ask = async () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    items = rooms(words);
    chosen = 0;
    draw();
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const answer = await fetch(`/palette.json?q=${encodeURIComponent(field.value)}`, { signal: mine.signal, headers: { accept: "application/json" } });
      if (!answer.ok) return;
      const said = await answer.json();
      // Only addresses of this console: an item's address may stem from a repository's words.
      const found = said.items.filter((item) => typeof item.href === "string" && /^\/(?!\/)/.test(item.href));
      items = words.length ? [...found, ...rooms(words)] : [...rooms(words), ...found];
      draw();
    } catch {
      // Without an answer the rooms are still there.
    }
  };

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 80);
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && items.length) {
      event.preventDefault();
      choose((chosen + step + items.length) % items.length);
    } else if (event.key === "Enter" && items[chosen]) {
      event.preventDefault();
      go(items[chosen]);
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    asking?.abort();
    clearTimeout(timer);
    dialog.remove();
    opened = null;
  });
  opened = dialog;
  document.body.append(dialog);
  dialog.showModal();
  ask();
}

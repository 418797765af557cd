// Short cuts: `g` and a letter goes to a room, `/` searches this page or everything, `?` lists them all.
import { element, icon, onMac, typing } from "./element.js";
import { openPalette } from "./palette.js";

export function startKeys() {
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
    if (document.querySelector("dialog[open]")) return;
    if (going && Date.now() - going < 1500) {
      going = 0;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key.toLowerCase())}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "?") help();
    else if (event.key === "/") {
      event.preventDefault();
      const field = document.querySelector("main [data-search]");
      if (field) {
        field.focus();
        field.select();
      } else openPalette();
    }
  });
  document.addEventListener("click", (event) => event.target.closest?.("[data-help]") && help());
}

function help() {
  const keys = [
    [onMac ? "⌘ K" : "Ctrl K", "Search or jump to"],
    ["/", "Search on this page"],
    ...[...document.querySelectorAll("[data-go]")].map((link) => [`g ${link.dataset.go}`, link.textContent.trim()]),
    ["?", "This list"],
    ["Esc", "Close what is open"],
  ];
  if (document.querySelector("[data-log]")) {
    keys.push(["f", "Log: follow the end"], ["e", "Log: first error"], ["t", "Log: times"], ["n  N", "Log: next, previous find"]);
  }
  const dialog = element("dialog", { class: "help", "aria-labelledby": "help-title" },
    element("div", { class: "help-head" },
      element("h2", { id: "help-title" }, "Keyboard"),
      element("button", { class: "top-button close", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    element("dl", {}, ...keys.map(([key, says]) => element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, says)))));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

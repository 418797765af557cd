// Short words about what was just done. Those with an undo stay longer; none goes while the pointer rests on it.
import { element, icon } from "./element.js";

const STAY = 6000;
const STAY_UNDO = 12000;

function age(toast) {
  let left = toast.querySelector("form") ? STAY_UNDO : STAY;
  const step = 500;
  const timer = setInterval(() => {
    if (!toast.isConnected) return clearInterval(timer);
    if (toast.matches(":hover, :focus-within")) return;
    left -= step;
    if (left <= 0) toast.remove();
  }, step);
}

/** Say `sentence` in a toast; `state` is one of the six. */
export function toast(sentence, state = "ok") {
  const box = document.querySelector("[data-toasts]");
  if (!box) return;
  box.append(element("div", { class: `toast s-${state}`, role: "status", "data-toast": "" },
    icon(state), element("span", {}, sentence),
    element("button", { class: "toast-close", type: "button", "data-dismiss": "", "aria-label": "Dismiss" }, icon("close"))));
}

export function startToasts() {
  const box = document.querySelector("[data-toasts]");
  if (!box) return;
  for (const one of box.querySelectorAll("[data-toast]")) age(one);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node.matches?.("[data-toast]")) age(node);
  }).observe(box, { childList: true });
  document.addEventListener("click", (event) => event.target.closest?.("[data-dismiss]")?.closest("[data-toast]")?.remove());
}

// A click on a copy button puts what it stands for on the clipboard.
import { toast } from "./toasts.js";

export function startCopy() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      const use = button.querySelector("use");
      use?.setAttribute("href", "#i-check");
      button.classList.add("copied");
      setTimeout(() => {
        use?.setAttribute("href", "#i-copy");
        button.classList.remove("copied");
      }, 1200);
    } catch {
      // Browsers refuse outside of https and localhost: then the reader can at least see and select it.
      toast(button.dataset.copy, "none");
    }
  });
}

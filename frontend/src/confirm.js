// "Type the name to confirm": the button wakes up once the name is right. The server asks the same question again.
// And a deed is done once, however often one clicks.

export function startConfirm() {
  const check = (form) => {
    const button = form.querySelector("button[type=submit]");
    button.disabled = form.elements.confirm.value !== form.dataset.confirm;
  };
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-confirm]");
    if (form) check(form);
  });
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches?.("details.confirm[open]")) return;
    const form = event.target.querySelector("form[data-confirm]");
    if (!form) return;
    check(form);
    form.elements.confirm.focus();
  }, true);
  document.addEventListener("submit", (event) => {
    const button = event.target.querySelector?.("button[type=submit]");
    if (!button || event.target.method !== "post") return;
    if (event.target.dataset.sent) {
      event.preventDefault();
      return;
    }
    event.target.dataset.sent = "yes";
    button.setAttribute("aria-busy", "true");
  });
  // Back through the browser's cache: forms can be sent again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
    }
  });
  document.addEventListener("htmx:after:request", (event) => {
    const form = event.target.closest?.("form[data-sent]");
    if (!form) return;
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  });
}

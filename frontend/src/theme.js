// System, light, dark, in turn. The choice is a cookie, so that the server draws the next page right from the start.
const COOKIE = "andon-theme";
const TURN = { system: "light", light: "dark", dark: "system" };
const SAYS = { system: "Theme: as the device", light: "Theme: light", dark: "Theme: dark" };

export function startTheme() {
  const button = document.querySelector("[data-theme-switch]");
  const root = document.documentElement;
  const now = () => root.dataset.theme ?? "system";
  const kept = document.cookie.match(/(?:^|; )andon-theme=(light|dark)/)?.[1];
  if (kept) root.dataset.theme = kept;
  if (!button) return;
  const say = () => {
    button.setAttribute("aria-label", SAYS[now()]);
    button.title = SAYS[now()];
  };
  say();
  button.addEventListener("click", () => {
    const next = TURN[now()];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    document.cookie = `${COOKIE}=${next}; path=/; max-age=31536000; samesite=lax`;
    say();
  });
}

// Relative times that go on, in the words of rendering.relative(); the hover gets the reader's own zone as well.

export function relative(then, now = Date.now()) {
  const seconds = (now - then) / 1000;
  const size = Math.abs(seconds);
  if (size < 10) return "just now";
  return seconds > 0 ? `${elapsed(size)} ago` : `in ${elapsed(size)}`;
}

export function elapsed(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** "3 m 12 s", as rendering.together() says it: no line breaks in between. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [d, h, m, s] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  const two = (more, big, less, small) => `${more}\u00a0${big}${less ? `\u00a0${less}\u00a0${small}` : ""}`;
  if (d) return two(d, "d", h, "h");
  if (h) return two(h, "h", m, "m");
  if (m) return two(m, "m", s, "s");
  return `${s}\u00a0s`;
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago], time[data-age], time[data-running]")) {
    const then = Date.parse(time.dateTime);
    if (Number.isNaN(then)) continue;
    const text = "ago" in time.dataset ? relative(then, now)
      : "age" in time.dataset ? elapsed(Math.max(0, (now - then) / 1000))
      : duration((now - then) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

export function startTimes() {
  tick();
  setInterval(() => document.visibilityState === "visible" && tick(), 1000);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("mouseover", (event) => {
    const time = event.target.closest?.("time[title]");
    if (!time || time.dataset.local) return;
    time.dataset.local = "yes";
    time.title = `${time.title}\n${local.format(new Date(time.dateTime))} here`;
  });
}

// The console's only entry. Every page reads without it; this adds what ticks, jumps, follows and asks back.
import "htmx.org";
import { startConfirm } from "./confirm.js";
import { startCopy } from "./copy.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startLogs } from "./log.js";
import { startMenus } from "./menus.js";
import { startPalette } from "./palette.js";
import { startTheme } from "./theme.js";
import { startTimes } from "./times.js";
import { startToasts } from "./toasts.js";

document.documentElement.classList.add("js");

for (const start of [
  startTheme, startTimes, startCopy, startMenus, startConfirm, startToasts, startPalette, startKeys, startLive, startLogs,
]) {
  try {
    start();
  } catch (error) {
    // One broken nicety must not take the others, or the page's forms, with it.
    console.error(error);
  }
}

// Making elements without markup in strings, so that nothing a server or a program says can become markup.

/** `element("a", { class: "x", href: "/" }, "text", child, …)`; null and false children are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon out of the page's sprite. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ class: "icon", width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Whether a key press belongs to a field the reader is typing in. */
export const typing = (event) => event.target instanceof Element && !!event.target.closest("input, textarea, select, [contenteditable]");

export const onMac = /Mac|iPhone|iPad/.test(navigator.platform);

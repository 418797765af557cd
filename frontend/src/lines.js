// Lines of logs: a histogram that is narrowed by dragging, and lines that are followed. Both work from what the server drew.

const LONGEST = 500; // lines kept on a page that follows
const WAIT = [1000, 30000];

/** Dragging over a histogram goes to the time that was drawn; a click stays the link that it is. */
function narrowing(plot) {
  let from = null;
  let band = null;
  const share = (event) => {
    const box = plot.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const end = () => {
    band?.remove();
    from = band = null;
  };
  plot.addEventListener("dragstart", (event) => event.preventDefault());
  plot.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType !== "touch") from = share(event);
  });
  plot.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const here = share(event);
    if (!band && Math.abs(here - from) * plot.clientWidth < 5) return;
    if (!band) {
      plot.setPointerCapture(event.pointerId);
      band = document.createElement("div");
      band.className = "lines-select";
      plot.append(band);
    }
    band.style.left = `${Math.min(from, here) * 100}%`;
    band.style.width = `${Math.abs(here - from) * 100}%`;
  });
  plot.addEventListener("pointerup", (event) => {
    if (!band) return end();
    const [first, last] = [from, share(event)].sort((a, b) => a - b);
    const start = Number(plot.dataset.start);
    const length = Number(plot.dataset.end) - start;
    const to = new URL(location.href);
    for (const name of ["before", "add"]) to.searchParams.delete(name);
    to.searchParams.set("from", String(Math.round(start + first * length)));
    to.searchParams.set("to", String(Math.round(start + last * length)));
    // the click that follows belongs to the drag, not to the bar below
    plot.addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true });
    end();
    location.assign(to);
  });
  plot.addEventListener("pointercancel", end);
}

class Tail {
  constructor(root) {
    this.root = root;
    this.list = root.querySelector("[data-tail-lines]");
    this.dot = root.querySelector(".tail-dot");
    this.button = root.querySelector("[data-tail-pause]");
    this.newest = root.dataset.newest;
    this.held = [];
    this.leftOut = 0;
    this.paused = false;
    this.wait = WAIT[0];
    this.timer = 0;
    this.button.addEventListener("click", () => this.pause(!this.paused));
    document.addEventListener("visibilitychange", () => (document.visibilityState === "visible" ? this.connect() : this.leave("off")));
    window.addEventListener("pagehide", () => this.leave("off"));
    if (document.visibilityState === "visible") this.connect();
  }

  show(state) {
    this.dot.dataset.state = this.paused && state === "on" ? "off" : state;
    const word = { on: this.paused ? "paused" : "live", retry: "reconnecting", off: "paused" }[state];
    const text = this.dot.querySelector("[data-tail-word]");
    if (text.textContent !== word) text.textContent = word;
    this.state = state;
  }

  leave(state) {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.show(state);
  }

  connect() {
    this.leave("retry");
    const address = new URL(this.root.dataset.tail, location.href);
    address.searchParams.set("since", this.newest);
    this.source = new EventSource(address);
    this.source.addEventListener("open", () => {
      this.wait = WAIT[0];
      this.show("on");
    });
    this.source.addEventListener("lines", (event) => {
      this.newest = event.lastEventId || this.newest;
      this.take(JSON.parse(event.data));
    });
    const again = () => {
      this.leave("retry");
      this.timer = setTimeout(() => this.connect(), this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(WAIT[1], this.wait * 2);
    };
    this.source.addEventListener("down", again);
    this.source.addEventListener("error", again);
  }

  take(news) {
    // what the server drew: text that came from outside is escaped there, and the page's policy runs no script of it
    const drawn = document.createElement("template");
    drawn.innerHTML = news.html;
    const fresh = [...drawn.content.children].filter((one) => !this.list.querySelector(`#${one.id}`) && !this.held.some((held) => held.id === one.id));
    this.leftOut += news.left_out;
    this.held.unshift(...fresh);
    this.held.length = Math.min(this.held.length, LONGEST);
    if (!this.paused) this.put();
    this.say();
  }

  put() {
    if (!this.held.length) return;
    this.list.prepend(...this.held);
    this.held = [];
    while (this.list.children.length > LONGEST) this.list.lastElementChild.remove();
    this.root.querySelector("[data-tail-empty]").hidden = true;
  }

  pause(paused) {
    this.paused = paused;
    this.button.setAttribute("aria-pressed", String(paused));
    this.button.querySelector("span").textContent = paused ? "Go on" : "Pause";
    if (!paused) this.put();
    this.show(this.state);
    this.say();
  }

  say() {
    const told = [];
    if (this.held.length) told.push(`${this.held.length} new`);
    if (this.leftOut) told.push(`${this.leftOut.toLocaleString("en")} came too fast to be shown: the search has them`);
    this.root.querySelector("[data-tail-said]").textContent = told.join(" · ");
  }
}

for (const plot of document.querySelectorAll("[data-histogram]")) narrowing(plot);
for (const root of document.querySelectorAll("[data-tail]")) new Tail(root);

(() => {
 var s = document.currentScript, d = s.dataset, u = new URL("beacon", s.src).href;
 var v = {}, e = [], m = [], c = 0, first = 0, last = 0, sent = 0;
 function see(type, f, more) {
  try {
   new PerformanceObserver(l => l.getEntries().forEach(f))
    .observe(Object.assign({ type: type, buffered: true }, more));
  } catch (_) {}
 }
 see("largest-contentful-paint", p => { v.LCP = p.startTime; });
 see("paint", p => { if (p.name == "first-contentful-paint") v.FCP = p.startTime; });
 see("layout-shift", p => {
  if (p.hadRecentInput) return;
  if (p.startTime - last < 1e3 && p.startTime - first < 5e3) c += p.value;
  else { c = p.value; first = p.startTime; }
  last = p.startTime;
  if (!(v.CLS >= c)) v.CLS = c;
 });
 see("event", p => {
  if (p.interactionId && !(v.INP >= p.duration)) v.INP = p.duration;
 }, { durationThreshold: 40 });
 function err(x, at) {
  if (e.length < 10) e.push({ message: String(x && x.message || x), stack: String(x && x.stack || ""), at: at });
 }
 addEventListener("error", x => {
  if (x.message) err(x.error || x.message, x.filename + ":" + x.lineno + ":" + x.colno);
 });
 addEventListener("unhandledrejection", x => { err(x.reason, ""); });
 window.andon = { metric: (k, x) => { if (m.length < 50) m.push([k, x == null ? 1 : +x]); } };
 addEventListener("visibilitychange", () => {
  var n = performance.getEntriesByType("navigation")[0], b;
  if (document.visibilityState != "hidden" || (sent && !e.length && !m.length)) return;
  b = { service: d.service, environment: d.environment, version: d.version, page: location.pathname,
   errors: e, metrics: m };
  if (!sent++) {
   b.view = 1; b.vitals = v;
   if (n) { v.TTFB = n.responseStart; b.timing = { dns: n.domainLookupEnd - n.domainLookupStart,
    connect: n.connectEnd - n.connectStart, request: n.responseEnd - n.requestStart,
    interactive: n.domInteractive, load: n.loadEventEnd }; }
  }
  navigator.sendBeacon(u, JSON.stringify(b));
  e = []; m = [];
 });
})();

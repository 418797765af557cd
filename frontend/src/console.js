// The console's only entry: htmx and its server-sent events, then our own modules.
import "htmx.org";
import "htmx.org/dist/ext/hx-sse.js";

// Keep a piece of the page up to date: on news from the server its fragment is fetched and takes its place.
const POLL_MS = 15_000;
const CALM_MS = 250;
const SPREAD_MS = 750; // A thousand watchers should not ask in the same instant.

function watch(element) {
  const { liveUrl, liveFragment, liveTarget } = element.dataset;
  let timer = 0;
  let asked = 0;
  let polling = 0;

  async function refresh() {
    timer = 0;
    const mine = ++asked;
    const target = document.querySelector(liveTarget);
    if (!target) return;
    let answer;
    try {
      answer = await fetch(liveFragment || location.href, {
        headers: { "HX-Request": "true", "HX-Target": target.id },
        credentials: "same-origin",
      });
    } catch {
      return; // Offline: the next news or poll tries again.
    }
    if (!answer.ok || answer.redirected || mine !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = (target.id && page.getElementById(target.id)) || page.body.firstElementChild;
    const current = document.querySelector(liveTarget);
    if (!fresh || !current || mine !== asked) return;
    if (current.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return;
    const focused = current.contains(document.activeElement) ? document.activeElement.id : "";
    if (target.id && fresh.id !== target.id) current.replaceChildren(fresh);
    else current.replaceWith(fresh);
    globalThis.htmx?.process(fresh);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  function soon() {
    if (!timer && !document.hidden) timer = setTimeout(refresh, CALM_MS + Math.random() * SPREAD_MS);
  }

  function poll() {
    polling ||= setInterval(soon, POLL_MS);
  }

  let source = null;

  function listen() {
    if (!globalThis.EventSource || !liveUrl) {
      poll();
      return;
    }
    source = new EventSource(liveUrl);
    let opened = false;
    source.addEventListener("open", () => {
      clearInterval(polling);
      polling = 0;
      if (opened) soon(); // What happened while the line was down was not told.
      opened = true;
    });
    source.addEventListener("message", soon);
    for (const name of (element.dataset.liveEvents || "trip,run,news").split(",")) source.addEventListener(name, soon);
    source.addEventListener("error", () => {
      poll();
      if (source.readyState === EventSource.CLOSED) source.close();
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) soon();
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    listen();
    soon();
  });
  listen();
}

for (const element of document.querySelectorAll("[data-live-target]")) watch(element);

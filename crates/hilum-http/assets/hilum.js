// Reads the page again and puts in what has changed, so that nothing flashes and focus stays where it is.
// Without this script every page works; it is only as old as its last load.
(() => {
  "use strict";
  const live = document.getElementById("live");
  if (!live) return;
  const period = Math.max(2, Number(live.dataset.live) || 10) * 1000;
  const busy = () => {
    const at = document.activeElement;
    if (at && live.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName)) return true;
    return [...live.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);
  };
  // What a person opened or scrolled stays so.
  const keep = (from, to) => {
    const before = from.querySelectorAll("details");
    const after = to.querySelectorAll("details");
    if (before.length === after.length) before.forEach((d, i) => { after[i].open = d.open; });
  };
  const path = (node) => {
    const steps = [];
    for (let at = node; at && at !== live; at = at.parentElement) steps.unshift([...at.parentElement.children].indexOf(at));
    return steps;
  };
  let shown = live.innerHTML;
  const refresh = async () => {
    if (document.hidden || busy()) return;
    let text;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) return;
      text = await answer.text();
    } catch {
      return;
    }
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
    if (!fresh || fresh.innerHTML === shown || busy()) return;
    shown = fresh.innerHTML;
    keep(live, fresh);
    const focused = live.contains(document.activeElement) ? path(document.activeElement) : null;
    live.replaceChildren(...fresh.childNodes);
    if (focused) {
      let at = live;
      for (const step of focused) at = at?.children[step];
      at?.focus({ preventScroll: true });
    }
  };
  setInterval(refresh, period);
  document.addEventListener("visibilitychange", refresh);
})();

// Everything works without this file except copying, dialogs and parts that renew themselves.
document.addEventListener("click", async event => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const word = copy.textContent;
    try { await navigator.clipboard.writeText(copy.dataset.copy); copy.textContent = copy.dataset.done; }
    catch { getSelection().selectAllChildren(copy.previousElementSibling); }
    setTimeout(() => copy.textContent = word, 1500);
  }
  const open = event.target.closest("[data-dialog]");
  if (open) document.getElementById(open.dataset.dialog).showModal();
  event.target.closest("[data-closes]")?.closest("dialog").close();
});

// A tick is sent by its box; without script there is a button beside it.
document.addEventListener("change", event => event.target.closest("[data-sends]")?.form.requestSubmit());

if (document.querySelector("[data-spec]")) import("/static/charts.js");

// What scrolls sideways can be reached by keyboard, for as long as it does.
const wide = new ResizeObserver(seen => seen.forEach(({ target: box }) =>
  box.scrollWidth > box.clientWidth ? box.tabIndex = 0 : box.removeAttribute("tabindex")));
const watch = () => document.querySelectorAll(".scroll, pre").forEach(box => wide.observe(box));
document.addEventListener("rondo:renewed", watch);
watch();

// Parts of a page that renew themselves: data-live names the kinds of records that concern them. They are taken from the
// same address when the console says that something has happened; what is being read or typed stays where it is.
const parts = new Map([...document.querySelectorAll("[data-live][id]")].map(part => [part.id, part.innerHTML]));
const kindsOf = id => document.getElementById(id)?.dataset.live.split(/[\s,]+/) ?? [];
const busy = part => part.querySelector("dialog[open], input:focus, textarea:focus, select:focus");

async function renew(kinds) {
  const wanted = [...parts.keys()].filter(id => kinds.includes("") || kindsOf(id).some(kind => kinds.includes(kind)));
  if (!wanted.length) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of wanted) {
    const old = document.getElementById(id), now = fresh.getElementById(id);
    if (!old || !now || busy(old) || parts.get(id) === now.innerHTML) continue;
    parts.set(id, now.innerHTML);
    swap(old, document.adoptNode(now));
  }
  document.dispatchEvent(new Event("rondo:renewed"));
}

function swap(old, now) {
  const opened = [...old.querySelectorAll("details")].map(each => each.open);
  const stops = "a, button, summary";
  const focused = [...old.querySelectorAll(stops)].indexOf(document.activeElement);
  old.replaceWith(now);
  now.querySelectorAll("details").forEach((each, i) => { each.open = opened[i] ?? each.open; });
  if (focused >= 0) now.querySelectorAll(stops)[focused]?.focus({ preventScroll: true });
}

let source;
// A look at the past, and a saved page (which holds this script instead of loading it), stay as they are.
const settled = new URLSearchParams(location.search).has("as_of") || !import.meta.url.includes("/static/");
function follow() {
  if (!parts.size || settled || source || document.visibilityState !== "visible") return;
  const kinds = [...new Set([...parts.keys()].flatMap(kindsOf))];
  const name = document.querySelector("[data-live-name]")?.dataset.liveName;
  source = new EventSource("/events?" + new URLSearchParams({ kinds: kinds.join(" "), ...(name && { name }) }));
  let waiting;
  source.addEventListener("changed", event => {
    clearTimeout(waiting);
    waiting = setTimeout(() => renew(JSON.parse(event.data).kinds), 250);
  });
}
function leave() { source?.close(); source = undefined; }

// A browser opens few connections to one place: pages that nobody sees give theirs back, and catch up when seen again.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return leave();
  follow();
  if (!settled) renew([""]);
});
addEventListener("pagehide", leave);
follow();

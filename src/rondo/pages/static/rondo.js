// Everything works without this file except copying and dialogs.
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
});
if (document.querySelector("[data-spec]")) import("/static/charts.js");

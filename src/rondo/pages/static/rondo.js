// Everything works without this file except copying.
document.addEventListener("click", async event => {
  const copy = event.target.closest("[data-copy]");
  if (!copy) return;
  const word = copy.textContent;
  try { await navigator.clipboard.writeText(copy.dataset.copy); copy.textContent = copy.dataset.done; }
  catch { getSelection().selectAllChildren(copy.previousElementSibling); }
  setTimeout(() => copy.textContent = word, 1500);
});

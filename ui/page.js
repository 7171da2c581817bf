// What the page does in the browser beyond Gradio: bring into view what a press changed, have pickers offer pictures,
// copy a table as text, take an access code out of the address.
() => {
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  window.tlShow = (id, tries = 20) => {
    const part = document.getElementById(id);
    if (!part || !part.offsetParent) { if (tries) setTimeout(() => window.tlShow(id, tries - 1), 50); return; }
    const {top, bottom} = part.getBoundingClientRect();
    if (top < 0 || bottom > window.innerHeight) {
      part.scrollIntoView({block: bottom - top > window.innerHeight ? 'start' : 'nearest', behavior: calm ? 'auto' : 'smooth'});
    }
  };
  // What a picker offers where photos are wanted; formats that some systems do not know as pictures are named.
  const pictures = 'image/*,.heic,.heif,.avif';
  const offer = () => document.querySelectorAll('input[type=file]').forEach((input) => {
    if (!input.closest('#upload') && input.accept !== pictures) input.accept = pictures;
  });
  // A code in the address has done its part by now: nobody reads it from a screen that many see.
  if (location.hash.startsWith('#code=')) history.replaceState(null, '', location.pathname + location.search);
  offer(); new MutationObserver(offer).observe(document.body, {childList: true, subtree: true});
  document.addEventListener('click', ({target}) => {
    const button = target.closest('[data-copy]');
    if (!button) return;
    const rows = [...document.getElementById(button.dataset.copy).rows];
    const words = rows.map((row) => [...row.cells].map((cell) => cell.innerText).join('\t')).join('\n');
    const told = button.parentElement.querySelector('[data-copied]');
    navigator.clipboard.writeText(words).then(
      () => { told.textContent = 'Copied.'; },
      () => { told.textContent = 'This browser does not copy here: save it as CSV.'; });
  });
}

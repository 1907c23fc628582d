// The keyboard: single keys where nobody types, and the page that explains them.

const KEPT = 'autobuilder.keys';
const byId = (id) => document.getElementById(id);

function areOn() {
  try { return localStorage.getItem(KEPT) !== 'off'; } catch { return true; }
}

function keepOn(on) {
  try { localStorage.setItem(KEPT, on ? 'on' : 'off'); } catch { /* Then they are on again next time. */ }
}

function isTyping(target) {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable], dialog') !== null;
}

/** `actions` by key; `idle` those that count only while nothing has the focus. */
export function listen(actions, idle) {
  const help = byId('help-dialog');
  const toggle = byId('keys-on');
  toggle.checked = areOn();
  toggle.addEventListener('change', () => keepOn(toggle.checked));
  byId('help').addEventListener('click', () => help.showModal());
  byId('help-close').addEventListener('click', () => help.close());
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  }
  document.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'f' && !isTyping(event.target)) {
      event.preventDefault();
      actions['/']();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const isSingle = event.key.length === 1;
    if (isSingle && !toggle.checked) return;
    const isIdle = event.target === document.body;
    const action = event.key === '?' ? () => help.showModal() : actions[event.key] ?? (isIdle ? idle[event.key] : undefined);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

// Lists that change in place: an element is kept as long as its item stays, so nothing flickers and
// the keyboard's focus and a selection stay where they are.

export const byId = (id) => document.getElementById(id);

/** Makes a list show these items in this order, keeping the elements of items that stay. */
export function reconcile(list, items, keyOf, make, update) {
  const old = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const wanted = items.map((item) => {
    const key = keyOf(item);
    let element = old.get(key);
    if (!element) {
      element = make(item);
      element.dataset.key = key;
    }
    old.delete(key);
    update(element, item);
    return element;
  });
  // Those that go go first: a move would take the focus from an element that could have stayed.
  for (const element of old.values()) element.remove();
  let place = list.firstElementChild;
  for (const element of wanted) {
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
}

/** Redraws an element only when what it shows has changed. */
export function ifChanged(element, facts, redraw) {
  const shown = JSON.stringify(facts);
  if (element.dataset.shown === shown) return;
  element.dataset.shown = shown;
  redraw();
}

/** Calls `work` once a frame at most, however often it is asked to. */
export function framed(work) {
  let waiting = 0;
  return () => {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; work(); });
  };
}

/** Calls `work` when nobody has asked for it for so long, or at the latest after three times as long. */
export function soon(work, wait) {
  let timer = 0;
  let asked = 0;
  return () => {
    const now = performance.now();
    if (!timer) asked = now;
    clearTimeout(timer);
    timer = setTimeout(() => { timer = 0; work(); }, Math.max(0, Math.min(wait, asked + 3 * wait - now)));
  };
}

/** Does `work`; where it removed the element with the focus, the same item elsewhere gets it. */
export function keepingFocus(work) {
  const focused = document.activeElement;
  const key = focused?.closest?.('[data-key]')?.dataset.key;
  work();
  if (key && focused && !focused.isConnected) {
    document.querySelector(`[data-key="${CSS.escape(key)}"] a[href]`)?.focus({ preventScroll: true });
  }
}

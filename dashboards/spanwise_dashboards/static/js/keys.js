// Single-key shortcuts: none while typing, none with a modifier, all of them can be switched off.

const OFF = 'spanwise_keys_off';
/** @type {Map<string, ((event: KeyboardEvent) => boolean | void)[]>} */
const handlers = new Map();

/** @returns {boolean} */
export const keysAreOn = () => localStorage.getItem(OFF) === null;

/** @param {boolean} on */
export const switchKeys = on => (on ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, '1'));

/**
 * Calls `handler` when the key is pressed; the latest handler that returns true ends the search.
 * @param {string} key
 * @param {(event: KeyboardEvent) => boolean | void} handler
 */
export function onKey(key, handler) {
  handlers.set(key, [handler, ...(handlers.get(key) ?? [])]);
}

const isTyping = target =>
  target instanceof Element && target.closest('input:not([type=checkbox]),textarea,select,[contenteditable]') !== null;

addEventListener('keydown', event => {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
  const always = event.key === 'Escape';
  if (!always && (isTyping(event.target) || !keysAreOn())) return;
  if (document.querySelector('dialog[open]') && event.key !== '?') return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  for (const handler of handlers.get(key) ?? []) {
    if (handler(event)) {
      event.preventDefault();
      return;
    }
  }
});

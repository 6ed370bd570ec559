// Fetch-and-swap: server-rendered fragments put in place. Old content stays, dimmed, until the new one is there.

/** @type {WeakMap<Element, AbortController>} */
const running = new WeakMap();

/**
 * Fetches a fragment of this site.
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>}
 */
export async function fragment(url, signal) {
  const answer = await fetch(url, { headers: { 'X-Fragment': '1' }, signal });
  if (answer.status === 401) location.reload(); // the login ran out
  const body = await answer.text();
  if (!answer.ok) throw new Error(answer.status === 404 ? 'Not found any more.' : `The server answered ${answer.status}.`);
  return body;
}

/**
 * Replaces an element's children by a fragment; a newer call for the same element cancels an older one.
 * @param {Element} target
 * @param {string} url
 * @returns {Promise<boolean>} true when the content was replaced
 */
export async function swap(target, url) {
  running.get(target)?.abort();
  const control = new AbortController();
  running.set(target, control);
  const dim = setTimeout(() => target.setAttribute('aria-busy', 'true'), 150);
  try {
    const body = await fragment(url, control.signal);
    if (control.signal.aborted) return false;
    target.innerHTML = body; // rendered and escaped by our own server
    target.dispatchEvent(new CustomEvent('swapped', { bubbles: true }));
    return true;
  } catch (problem) {
    if (problem.name !== 'AbortError') complain(target, problem, () => swap(target, url));
    return false;
  } finally {
    clearTimeout(dim);
    if (running.get(target) === control) target.removeAttribute('aria-busy');
  }
}

/**
 * Says in place what went wrong, with a way to try again.
 * @param {Element} target
 * @param {Error} problem
 * @param {() => void} again
 */
function complain(target, problem, again) {
  const box = document.createElement('p');
  box.className = 'muted small swap-failed';
  const words = problem instanceof TypeError ? 'The server does not answer. ' : `${problem.message} `;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'btn btn--sm';
  button.textContent = 'Try again';
  button.addEventListener('click', again);
  box.append(words, button);
  target.replaceChildren(box);
}

/** Loads every `[data-lazy]` part below `root`. @param {ParentNode} root */
export function loadLazy(root) {
  for (const part of root.querySelectorAll('[data-lazy]')) {
    const url = part.getAttribute('data-lazy');
    part.removeAttribute('data-lazy');
    swap(part, url);
  }
}

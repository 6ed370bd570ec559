// What every page does: theme, time zone, keys, copying, folds, tabs, menus, lazy parts.

import { keysAreOn, onKey, switchKeys } from './keys.js';
import { fragment, loadLazy } from './swap.js';

const root = document.documentElement;
const YEAR = 365 * 86400;
const cookie = (name, value) => {
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${YEAR}; samesite=lax`;
};

/** Tells the server the reader's time zone; the first visit is drawn again in it, once. */
function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  const known = /^(Etc\/)?(UTC|GMT|UCT|Universal|Zulu)$/.test(zone) ? 'UTC' : zone;
  if (root.dataset.zone === known) return;
  cookie('spanwise_zone', known);
  if (!sessionStorage.getItem('spanwise_zone_told')) {
    sessionStorage.setItem('spanwise_zone_told', known);
    location.reload();
  }
}

function toggleTheme() {
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
  cookie('spanwise_theme', root.dataset.theme);
  return true;
}

let toastTimer = 0;
/** @param {string} words */
export function toast(words) {
  const box = document.querySelector('#toast');
  box.querySelector('span').textContent = words;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, 2500);
}

async function copy(text, words) {
  try {
    await navigator.clipboard.writeText(text);
    toast(words);
  } catch {
    toast('The browser does not allow copying here');
  }
}

/** Shows all of a folded passage, loading what the page does not hold. @param {HTMLButtonElement} button */
async function unfold(button) {
  const box = button.previousElementSibling;
  const source = button.dataset.source;
  if (source) {
    button.disabled = true;
    try {
      box.innerHTML = await fragment(source); // escaped by our own server
    } catch (problem) {
      button.disabled = false;
      toast(problem.message);
      return;
    }
  }
  box.classList.remove('fold');
  button.remove();
  box.tabIndex = -1;
  box.focus({ preventScroll: true });
}

function showImage(button) {
  const image = document.createElement('img');
  image.alt = 'Image that was part of this message';
  image.src = button.dataset.source;
  image.className = 'media-image';
  button.replaceWith(image);
}

/** Shows one tab's panel. @param {Element} scope @param {string} name */
export function selectTab(scope, name) {
  const tabs = [...scope.querySelectorAll('[data-tab]')];
  const wanted = tabs.find(tab => tab.dataset.tab === name) ?? tabs[0];
  if (!wanted) return;
  for (const tab of tabs) {
    tab.setAttribute('aria-selected', String(tab === wanted));
    tab.tabIndex = tab === wanted ? 0 : -1;
    const panel = scope.querySelector(`[data-panel="${tab.dataset.tab}"]`);
    if (panel) panel.hidden = tab !== wanted;
  }
  if (wanted.dataset.source) {
    const holder = scope.querySelector('[data-json]');
    const source = wanted.dataset.source;
    delete wanted.dataset.source;
    fragment(source).then(body => { holder.innerHTML = body; }, problem => toast(problem.message));
  }
}

const actions = {
  theme: toggleTheme,
  help: openKeys,
  unfold,
  'show-image': showImage,
  'close-dialog': button => button.closest('dialog').close(),
  'keys-switch': input => switchKeys(input.checked),
};

function openKeys() {
  const dialog = document.querySelector('#keys');
  if (dialog.open) dialog.close();
  else dialog.showModal();
  return true;
}

document.addEventListener('click', event => {
  if (!(event.target instanceof Element)) return;
  const actor = event.target.closest('[data-action],[data-copy],[data-copy-code],[data-copy-turn],[data-copy-link],[data-tab],[data-snippet]');
  for (const open of document.querySelectorAll('details[data-dd][open]')) if (!open.contains(event.target)) open.open = false;
  if (!actor) return;
  if (actor.dataset.action) actions[actor.dataset.action]?.(actor);
  else if (actor.dataset.copy !== undefined) copy(actor.dataset.copy, 'Copied');
  else if (actor.dataset.copyLink !== undefined) copy(location.href, 'Link copied');
  else if (actor.dataset.copyCode !== undefined) copy(actor.parentElement.querySelector('pre,code').textContent, 'Copied');
  else if (actor.dataset.copyTurn !== undefined) copyTurn(actor.closest('.msg'));
  else if (actor.dataset.tab) {
    sessionStorage.setItem('spanwise_tab', actor.dataset.tab);
    selectTab(actor.closest('.pane') ?? document, actor.dataset.tab);
  } else if (actor.dataset.snippet) showSnippet(actor.dataset.snippet);
});

function copyTurn(message) {
  const texts = [...message.querySelectorAll(':scope > [data-passage]')];
  copy(texts.map(part => part.textContent).join('\n\n'), 'Copied');
}

/** @param {string} name */
function showSnippet(name) {
  for (const button of document.querySelectorAll('[data-snippet]')) button.setAttribute('aria-pressed', String(button.dataset.snippet === name));
  for (const code of document.querySelectorAll('[data-snippet-of]')) code.hidden = code.dataset.snippetOf !== name;
}

document.addEventListener('keydown', event => {
  const tab = event.target instanceof Element ? event.target.closest('[role=tab]') : null;
  if (!tab || !['ArrowRight', 'ArrowLeft'].includes(event.key)) return;
  const tabs = [...tab.parentElement.children];
  const next = tabs[(tabs.indexOf(tab) + (event.key === 'ArrowRight' ? 1 : -1) + tabs.length) % tabs.length];
  next.focus();
  next.click();
  event.preventDefault();
});

onKey('t', toggleTheme);
onKey('?', openKeys);
onKey('/', () => {
  const field = document.querySelector('#filter') ?? document.querySelector('[data-tree-search]');
  field?.focus();
  return Boolean(field);
});
onKey('Escape', () => {
  const open = document.querySelector('details[data-dd][open]');
  if (open) open.open = false;
  return Boolean(open);
});

root.classList.add('js');
tellZone();
if (document.querySelector('[data-snippet]')) showSnippet('python');
const switchBox = document.querySelector('[data-action="keys-switch"]');
if (switchBox) switchBox.checked = keysAreOn();
loadLazy(document);

// The trace page: the tree on the left chooses, the panel on the right shows, the URL remembers.

import { selectTab, toast } from './app.js';
import { onKey } from './keys.js';
import './span-tree.js';
import { swap } from './swap.js';

const tree = document.querySelector('span-tree');
const panel = document.querySelector('#span-panel');
const PHONE = matchMedia('(max-width: 1023px)');

/** True after a tap on a row: on a phone the panel is below the tree and is brought into sight. */
let isByHand = false;

function rememberedTab() {
  selectTab(panel, sessionStorage.getItem('spanwise_tab') ?? 'content');
}

async function showSpan(id) {
  const url = new URL(location.href);
  url.searchParams.set('span', id);
  history.replaceState(null, '', url);
  if (!(await swap(panel, `/traces/${tree.dataset.trace}/spans/${id}`))) return;
  rememberedTab();
  if (isByHand && PHONE.matches) panel.scrollIntoView({ block: 'start' });
  isByHand = false;
}

tree.show(JSON.parse(document.querySelector('#tree-data').textContent));
rememberedTab();
tree.addEventListener('span-selected', event => showSpan(event.detail));
tree.addEventListener('click', event => {
  isByHand = !event.target.closest('.tw');
});

onKey('j', () => tree.step(1));
onKey('k', () => tree.step(-1));
onKey('[', () => tree.fold(false));
onKey(']', () => tree.fold(true));
onKey('e', () => {
  if (!tree.nextError()) toast('No span of this trace failed');
  return true;
});
onKey('Escape', () => {
  const back = document.querySelector('[data-back]');
  if (document.referrer && new URL(document.referrer).pathname === '/traces') history.back();
  else back.click();
  return true;
});

document.addEventListener('click', event => {
  if (!(event.target instanceof Element)) return;
  const action = event.target.closest('[data-action]')?.dataset.action;
  if (action === 'span-next') tree.step(1);
  if (action === 'span-previous') tree.step(-1);
  if (event.target.closest('[data-tree-error]')) tree.nextError();
  const all = event.target.closest('[data-tree-all]');
  if (all) {
    const isCollapsed = all.getAttribute('aria-pressed') !== 'true';
    all.setAttribute('aria-pressed', String(isCollapsed));
    tree.foldAll(isCollapsed);
  }
  const link = event.target.closest('[data-span-link]');
  if (link) {
    const row = tree.columns.id.indexOf(new URL(link.href).searchParams.get('span'));
    if (row >= 0) {
      event.preventDefault();
      tree.select(row);
    }
  }
});

const field = document.querySelector('[data-tree-search]');
const found = document.querySelector('[data-tree-found]');
field?.addEventListener('input', () => {
  const count = tree.find(field.value);
  found.textContent = field.value.trim() ? `${count.toLocaleString('en')} found` : '';
});
field?.addEventListener('keydown', event => {
  if (event.key === 'Enter') { tree.nextHit(); event.preventDefault(); }
  if (event.key === 'Escape') { field.value = ''; tree.find(''); found.textContent = ''; tree.focus(); event.preventDefault(); }
});

/* ---- width of the tree ---- */
const gutter = document.querySelector('[data-gutter]');
const split = gutter?.parentElement;
function setShare(share) {
  const kept = Math.round(Math.min(75, Math.max(25, share)));
  split.style.gridTemplateColumns = `minmax(0,${kept}fr) 1px minmax(0,${100 - kept}fr)`;
  gutter.setAttribute('aria-valuenow', String(kept));
  localStorage.setItem('spanwise_split', String(kept));
}
const isSideBySide = () => !PHONE.matches;
const kept = Number(localStorage.getItem('spanwise_split'));
if (kept && isSideBySide()) setShare(kept);
PHONE.addEventListener('change', () => { split.style.gridTemplateColumns = ''; });
gutter?.addEventListener('pointerdown', event => {
  const drag = moved => {
    const area = split.getBoundingClientRect();
    setShare((100 * (moved.clientX - area.left)) / area.width);
  };
  gutter.setPointerCapture(event.pointerId);
  gutter.addEventListener('pointermove', drag);
  gutter.addEventListener('pointerup', () => gutter.removeEventListener('pointermove', drag), { once: true });
  event.preventDefault();
});
gutter?.addEventListener('keydown', event => {
  const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
  if (step && isSideBySide()) setShare(Number(gutter.getAttribute('aria-valuenow')) + step);
});

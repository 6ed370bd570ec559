// The trace and session lists: row cursor, side panel, live refresh, drag to zoom, filter menu.

import { toast } from './app.js';
import { startFilterMenu } from './filter-menu.js';
import { onKey } from './keys.js';
import { loadLazy, swap } from './swap.js';

const LIVE_EVERY_MS = 3000;
const $ = (selector, scope = document) => scope.querySelector(selector);
const rows = () => [...document.querySelectorAll('#trace-rows > tr')];

/** The id of the row under the cursor, so that it survives a refresh. */
let cursor = '';
const current = () => rows().find(row => row.dataset.id === cursor) ?? null;

function mark(row, isQuiet = false) {
  for (const other of rows()) other.classList.toggle('cursor', other === row);
  cursor = row?.dataset.id ?? '';
  if (row && !isQuiet) row.scrollIntoView({ block: 'nearest' });
}

function move(step) {
  const all = rows();
  if (!all.length) return false;
  const at = all.indexOf(current());
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  mark(next);
  if (isPeeking()) openPeek(next);
  return true;
}

/* ---- side panel ---- */
const peek = $('#peek');
const sheet = $('#sheet');
const isPeeking = () => Boolean(peek && !peek.hidden);
let returnTo = null;

async function openPeek(row) {
  if (!peek) {
    location.assign(row.dataset.href);
    return;
  }
  mark(row);
  if (!isPeeking()) returnTo = row.querySelector('a');
  peek.hidden = false;
  $('.app').inert = true;
  document.body.append(peek); // outside the inert page
  sheet.focus();
  await swap(sheet, `${row.dataset.href}/peek`);
  sheet.scrollTop = 0;
}

function closePeek() {
  if (!isPeeking()) return false;
  peek.hidden = true;
  $('.app').inert = false;
  sheet.replaceChildren();
  (current()?.querySelector('a') ?? returnTo)?.focus({ preventScroll: true });
  return true;
}

document.addEventListener('click', event => {
  const target = event.target instanceof Element ? event.target : null;
  const action = target?.closest('[data-action]')?.dataset.action;
  if (action === 'close-peek') closePeek();
  if (action === 'peek-next') move(1);
  if (action === 'peek-previous') move(-1);
  const row = target?.closest('#trace-rows > tr');
  if (!row || target.closest('a,button,input') || String(getSelection())) return;
  openPeek(row);
});

onKey('j', () => move(1));
onKey('k', () => move(-1));
onKey('Enter', event => {
  if (event.target instanceof Element && event.target.closest('a,button,summary')) return false;
  if (isPeeking()) $('[data-full]', sheet)?.click();
  else if (current()) openPeek(current());
  return isPeeking() || Boolean(current());
});
onKey('Escape', closePeek);
onKey('e', () => {
  const all = rows();
  const at = all.indexOf(current());
  const next = [...all.slice(at + 1), ...all.slice(0, at + 1)].find(row => row.classList.contains('is-error'));
  if (next) mark(next);
  else toast('No errors on this page');
  return true;
});

/* ---- live ---- */
const list = $('#rows');
let isRefreshing = false;

async function refresh() {
  if (document.hidden || isRefreshing || isPeeking() || new URLSearchParams(location.search).has('cursor')) return;
  isRefreshing = true;
  const before = new Set(rows().map(row => row.dataset.id));
  const strip = $('#strip');
  const chart = $('[data-strip]');
  if (await swap(list, list.dataset.url)) {
    mark(current(), true);
    const fresh = rows().filter(row => !before.has(row.dataset.id));
    loadLazy(list);
    if (fresh.length && chart) await swap(strip, new URL(location.href).searchParams.size ? `/traces/histogram${location.search}` : '/traces/histogram');
  }
  isRefreshing = false;
}

if (list && $('[data-live][data-on]')) setInterval(refresh, LIVE_EVERY_MS);

/* ---- drag on the histogram writes the time range ---- */
document.addEventListener('pointerdown', event => {
  const plot = event.target instanceof Element ? event.target.closest('[data-strip]') : null;
  if (!plot || event.button !== 0) return;
  event.preventDefault();
  const box = plot.getBoundingClientRect();
  const brush = $('.brush', plot);
  const share = x => Math.min(1, Math.max(0, (x - box.left) / box.width));
  const start = share(event.clientX);
  let end = start;
  plot.setPointerCapture(event.pointerId);
  const drag = moved => {
    end = share(moved.clientX);
    brush.hidden = false;
    brush.setAttribute('x', String(Math.min(start, end) * 720));
    brush.setAttribute('width', String(Math.abs(end - start) * 720));
  };
  plot.addEventListener('pointermove', drag);
  plot.addEventListener('pointerup', () => {
    plot.removeEventListener('pointermove', drag);
    if (Math.abs(end - start) * box.width < 4) {
      brush.hidden = true;
      return;
    }
    zoom(plot, Math.min(start, end), Math.max(start, end));
  }, { once: true });
});

function zoom(plot, from, to) {
  const first = Number(BigInt(plot.dataset.from) / 1000000n);
  const length = Number(BigInt(plot.dataset.to) / 1000000n) - first;
  const url = new URL(plot.dataset.base, location.href);
  url.searchParams.set('from', new Date(first + from * length).toISOString());
  url.searchParams.set('to', new Date(first + to * length).toISOString());
  location.assign(url);
}

startFilterMenu();

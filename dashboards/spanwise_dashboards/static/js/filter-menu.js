// The filter field: a combobox over the facets' fields and values, with the text search as the last entry.

import { toast } from './app.js';

const FIELDS_WITH_NUMBERS = [
  ['latency>', 'latency ≥', 'milliseconds, e.g. latency>500'],
  ['cost>', 'cost ≥', 'US dollars, e.g. cost>0.01'],
];

const field = document.querySelector('#filter');
const menu = document.querySelector('#filter-menu');
let at = -1;

/** @returns {{key: string, label: string, values: {text: string, href: string, count: number}[]}[]} */
function facets() {
  return [...document.querySelectorAll('#facets details[data-field]')].map(part => ({
    key: part.dataset.field,
    label: part.dataset.label,
    values: [...part.querySelectorAll('a.facet')].map(link => ({
      text: link.querySelector('bdi').textContent,
      href: link.getAttribute('href'),
      count: Number(link.dataset.count),
    })),
  }));
}

/** One entry: what it shows and what choosing it does. */
function entry(text, typed, note, run) {
  const item = document.createElement('div');
  item.className = 'menu-i menu-i--two';
  item.setAttribute('role', 'option');
  const words = document.createElement('bdi');
  words.className = 'cut';
  const found = typed ? text.toLowerCase().indexOf(typed) : -1;
  if (found >= 0) {
    const hit = document.createElement('mark');
    hit.textContent = text.slice(found, found + typed.length);
    words.append(text.slice(0, found), hit, text.slice(found + typed.length));
  } else words.append(text);
  const side = document.createElement('span');
  side.className = 'n';
  side.textContent = note;
  item.append(words, side);
  item.addEventListener('pointerdown', event => { event.preventDefault(); run(); });
  item.run = run;
  return item;
}

function head(text) {
  const line = document.createElement('div');
  line.className = 'menu-h';
  line.setAttribute('role', 'presentation');
  line.textContent = text;
  return line;
}

const type = text => { field.value = text; draw(); };

function fieldEntries(typed) {
  const numbers = FIELDS_WITH_NUMBERS.filter(([prefix]) => prefix.startsWith(typed) && prefix !== typed);
  return [
    ...facets().filter(f => f.label.includes(typed)).map(f =>
      entry(f.label, typed, `${f.values.length} value${f.values.length === 1 ? '' : 's'}`, () => type(`${f.label}:`))),
    ...numbers.map(([prefix, label, note]) => entry(label, typed, note, () => type(prefix))),
  ];
}

function valueEntries(typed) {
  const [name, rest] = typed.includes(':') ? typed.split(/:(.*)/s) : [null, typed];
  if (name === null && !rest) return [];
  const hits = facets()
    .filter(f => name === null || f.label === name)
    .flatMap(f => f.values.filter(v => v.text.toLowerCase().includes(rest)).map(v => ({ f, v })));
  return hits.slice(0, 10).map(({ f, v }) =>
    entry(`${f.label} is ${v.text}`, rest, v.count.toLocaleString('en'), () => location.assign(v.href)));
}

function draw() {
  const typed = field.value.trim().toLowerCase();
  const parts = [];
  const fields = typed.includes(':') ? [] : fieldEntries(typed);
  const values = valueEntries(typed);
  if (fields.length) parts.push(head('Fields'), ...fields);
  if (values.length) parts.push(head('Values in this range'), ...values);
  if (typed && !/^[a-z_]+:$/.test(typed)) parts.push(head('Search'), entry(`Text contains “${field.value.trim()}”`, '', 'Enter', () => field.form.requestSubmit()));
  menu.replaceChildren(...parts);
  const options = [...menu.querySelectorAll('[role=option]')];
  options.forEach((option, index) => { option.id = `filter-option-${index}`; option.setAttribute('aria-selected', 'false'); });
  at = -1;
  show(parts.length > 0);
  field.removeAttribute('aria-activedescendant');
}

function show(on) {
  menu.hidden = !on;
  field.setAttribute('aria-expanded', String(on));
}

function choose(step) {
  const options = [...menu.querySelectorAll('[role=option]')];
  if (!options.length) return;
  options[at]?.setAttribute('aria-selected', 'false');
  at = (at + step + options.length) % options.length;
  options[at].setAttribute('aria-selected', 'true');
  options[at].scrollIntoView({ block: 'nearest' });
  field.setAttribute('aria-activedescendant', options[at].id);
}

function onKeydown(event) {
  const options = [...menu.querySelectorAll('[role=option]')];
  if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    if (menu.hidden) draw();
    choose(event.key === 'ArrowDown' ? 1 : -1);
    event.preventDefault();
  } else if (event.key === 'Tab' && !menu.hidden && field.value && options.length) {
    (options[at] ?? options[0]).run();
    event.preventDefault();
  } else if (event.key === 'Enter' && !menu.hidden && at >= 0) {
    options[at].run();
    event.preventDefault();
  } else if (event.key === 'Escape') {
    if (!menu.hidden) show(false);
    else field.blur();
    event.preventDefault();
  } else if (event.key === 'Backspace' && field.value === '') {
    const chips = field.form.querySelectorAll('.chip > a');
    if (chips.length) location.assign(chips[chips.length - 1].href);
  }
}

/** Attaches the menu to the page's filter field, if it has one. */
export function startFilterMenu() {
  if (!field || !menu) return;
  field.addEventListener('focus', draw);
  field.addEventListener('input', draw);
  field.addEventListener('blur', () => show(false));
  field.addEventListener('keydown', onKeydown);
  field.form.addEventListener('submit', event => {
    if (field.value.trim()) return;
    event.preventDefault();
    toast('Type a filter or some text first');
  });
  document.querySelector('#facets')?.addEventListener('swapped', () => { if (document.activeElement === field) draw(); });
}

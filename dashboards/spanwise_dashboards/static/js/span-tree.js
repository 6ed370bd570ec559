// <span-tree>: the spans of a trace with their waterfall. Only the rows in sight are in the document, so 20,000
// spans cost no more than forty. Fires `span-selected` with the span's id.

import { ROW_HEIGHT, barOf, parentOf, search, visibleRows } from './tree-layout.js';

const SVG = 'http://www.w3.org/2000/svg';
const SPARE_ROWS = 12;
const SELECT_AFTER_MS = 90;

const svg = (name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
};

const box = (name, css, ...children) => {
  const made = document.createElement(name);
  made.className = css;
  made.append(...children);
  return made;
};

class SpanTree extends HTMLElement {
  /** @param {import('./tree-layout.js').Columns} columns */
  show(columns) {
    this.columns = columns;
    this.collapsed = new Set();
    this.total = Number(this.dataset.total);
    this.hits = [];
    this.rows = new Map();
    this.selected = Math.max(0, columns.id.indexOf(this.dataset.selected));
    this.sizer = box('div', 'tree-sizer');
    this.sizer.setAttribute('role', 'presentation');
    this.setAttribute('role', 'tree');
    this.setAttribute('aria-label', `Spans of the trace, ${columns.id.length}`);
    this.tabIndex = 0;
    this.replaceChildren(this.sizer);
    this.addEventListener('scroll', () => this.scheduleDraw(), { passive: true });
    this.addEventListener('click', event => this.onClick(event));
    this.addEventListener('keydown', event => this.onKeydown(event));
    new ResizeObserver(() => {
      this.parentElement.classList.toggle('has-scroll', this.scrollHeight > this.clientHeight);
      this.scheduleDraw();
    }).observe(this);
    this.layOut();
    this.reveal(this.selected);
    this.draw();
  }

  layOut() {
    this.visible = visibleRows(this.columns.depth, this.collapsed);
    this.placeOf = new Map(this.visible.map((row, place) => [row, place]));
    this.sizer.style.height = `${this.visible.length * ROW_HEIGHT}px`;
    this.parentElement.classList.toggle('has-scroll', this.scrollHeight > this.clientHeight);
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
  }

  scheduleDraw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = undefined; this.draw(); });
  }

  draw() {
    const first = Math.max(0, Math.floor(this.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const last = Math.min(this.visible.length, Math.ceil((this.scrollTop + this.clientHeight) / ROW_HEIGHT) + SPARE_ROWS);
    for (const [place, element] of this.rows) {
      if (place < first || place >= last) { element.remove(); this.rows.delete(place); }
    }
    const fresh = document.createDocumentFragment();
    for (let place = first; place < last; place += 1) {
      if (this.rows.has(place)) continue;
      const element = this.build(this.visible[place], place);
      this.rows.set(place, element);
      fresh.append(element);
    }
    this.sizer.append(fresh);
    this.point();
  }

  /** Builds one row. Names are text nodes; nothing of a trace is ever parsed as HTML. */
  build(row, place) {
    const c = this.columns;
    const kind = c.kinds[c.kind[row]];
    const depth = c.depth[row];
    const element = box('div', `tr d${Math.min(6, depth)}`);
    element.id = `row-${row}`;
    element.dataset.row = String(row);
    element.setAttribute('role', 'treeitem');
    element.setAttribute('aria-level', String(depth + 1));
    if (c.children[row]) element.setAttribute('aria-expanded', String(!this.collapsed.has(row)));
    element.style.transform = `translateY(${place * ROW_HEIGHT}px)`;
    element.append(this.buildName(row, kind, depth), this.buildBar(row, kind));
    if (this.hits.length) element.classList.toggle('is-dim', !this.hitSet.has(row));
    return element;
  }

  buildName(row, kind, depth) {
    const c = this.columns;
    const name = document.createElement('bdi');
    name.className = c.error[row] ? 'cut is-err' : 'cut';
    name.textContent = c.names[c.name[row]];
    name.title = name.textContent;
    const twist = c.children[row] ? this.icon(this.collapsed.has(row) ? 'chev-r' : 'chev-d', 'i i-sm tw') : box('span', 'tw');
    const badge = box('span', `kind k-${kind}`, this.icon(`k-${kind}`, 'i'));
    badge.title = kind;
    const line = box('span', 'nm', twist, badge);
    if (depth > 6) line.append(box('span', 'level muted tiny', String(depth)));
    line.append(name);
    if (c.error[row]) line.append(this.icon('error', 'i is-err'), box('span', 'sr-only', 'error'));
    else if (c.below[row] && this.collapsed.has(row)) line.append(box('span', 'pill pill--error', String(c.below[row])));
    line.append(box('span', c.cost[row] === 'unpriced' ? 'x x--unpriced' : 'x', c.cost[row]));
    return line;
  }

  buildBar(row, kind) {
    const c = this.columns;
    const bar = barOf(c.start[row], c.duration[row], c.first[row], this.total);
    const plot = svg('svg', { 'aria-hidden': 'true' });
    if (bar.wait) plot.append(svg('rect', { class: 'w-q', x: `${bar.x}%`, y: 11, width: `${bar.wait}%`, height: 10, rx: 2 }));
    plot.append(svg('rect', { class: 'w', x: `${bar.x + bar.wait}%`, y: 11, width: `${bar.width - bar.wait}%`, height: 10, rx: 2 }));
    if (c.critical[row]) plot.append(svg('rect', { class: 'crit', x: `${bar.x}%`, y: 23, width: `${bar.width}%`, height: 1.5 }));
    if (bar.hasLabel) {
      const label = svg('text', { x: `${bar.labelX}%`, y: 20, class: bar.isBefore ? 't-end' : '' });
      label.textContent = c.label[row];
      plot.append(label);
    }
    return box('span', `wf k-${kind}`, plot, box('span', 'sr-only', c.label[row]));
  }

  icon(name, css) {
    const made = svg('svg', { class: css, 'aria-hidden': 'true' });
    made.append(svg('use', { href: `${this.dataset.icons}#${name}` }));
    return made;
  }

  /** Moves the selection's mark onto the row, if the row is in sight. */
  point() {
    for (const element of this.rows.values()) {
      const isOn = Number(element.dataset.row) === this.selected;
      element.setAttribute('aria-selected', String(isOn));
    }
    const place = this.placeOf.get(this.selected);
    if (this.rows.has(place)) this.setAttribute('aria-activedescendant', `row-${this.selected}`);
    else this.removeAttribute('aria-activedescendant');
  }

  /** Scrolls so that the row stands in sight, opening its ancestors. */
  reveal(row) {
    let isChanged = false;
    for (let up = parentOf(this.columns.depth, row); up >= 0; up = parentOf(this.columns.depth, up)) {
      isChanged = this.collapsed.delete(up) || isChanged;
    }
    if (isChanged) this.layOut();
    const top = this.placeOf.get(row) * ROW_HEIGHT;
    if (top < this.scrollTop) this.scrollTop = top;
    else if (top + ROW_HEIGHT > this.scrollTop + this.clientHeight) this.scrollTop = top + ROW_HEIGHT - this.clientHeight;
  }

  select(row) {
    if (row === undefined || row < 0 || row >= this.columns.id.length) return;
    const isNew = row !== this.selected;
    this.selected = row;
    this.reveal(row);
    this.draw();
    if (!isNew) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.dispatchEvent(new CustomEvent('span-selected', { detail: this.columns.id[row] })), SELECT_AFTER_MS);
  }

  /** Selects the next or previous visible row. @param {number} step */
  step(step) {
    const place = (this.placeOf.get(this.selected) ?? 0) + step;
    this.select(this.visible[Math.min(this.visible.length - 1, Math.max(0, place))]);
    return true;
  }

  /** Selects the next failed span, from the top again after the last. @returns {boolean} */
  nextError() {
    const { error } = this.columns;
    for (let step = 1; step <= error.length; step += 1) {
      const row = (this.selected + step) % error.length;
      if (error[row]) { this.select(row); return true; }
    }
    return false;
  }

  /** @param {boolean} isOpen */
  fold(isOpen) {
    const { children, depth } = this.columns;
    if (!isOpen && (!children[this.selected] || this.collapsed.has(this.selected))) {
      this.select(parentOf(depth, this.selected));
      return true;
    }
    if (isOpen && !this.collapsed.has(this.selected)) return children[this.selected] ? this.step(1) : true;
    if (isOpen) this.collapsed.delete(this.selected);
    else this.collapsed.add(this.selected);
    this.layOut();
    this.draw();
    return true;
  }

  /** Collapses everything below the roots, or opens everything. @param {boolean} isCollapsed */
  foldAll(isCollapsed) {
    this.collapsed = new Set();
    if (isCollapsed) this.columns.children.forEach((count, row) => { if (count && this.columns.depth[row] > 0) this.collapsed.add(row); });
    this.layOut();
    this.reveal(this.selected);
    this.draw();
  }

  /** Dims what does not match; returns how many do. @param {string} text @returns {number} */
  find(text) {
    this.hits = search(this.columns, text);
    this.hitSet = new Set(this.hits);
    this.layOut();
    if (this.hits.length && !this.hitSet.has(this.selected)) this.select(this.hits[0]);
    this.draw();
    return this.hits.length;
  }

  /** Selects the next hit of the search. */
  nextHit() {
    if (this.hits.length) this.select(this.hits.find(row => row > this.selected) ?? this.hits[0]);
  }

  onClick(event) {
    const element = event.target.closest('[data-row]');
    if (!element) return;
    const row = Number(element.dataset.row);
    if (event.target.closest('.tw') && this.columns.children[row]) {
      if (!this.collapsed.delete(row)) this.collapsed.add(row);
      this.layOut();
      this.draw();
    } else this.select(row);
  }

  onKeydown(event) {
    const moves = {
      ArrowDown: () => this.step(1),
      ArrowUp: () => this.step(-1),
      ArrowRight: () => this.fold(true),
      ArrowLeft: () => this.fold(false),
      Home: () => this.select(this.visible[0]),
      End: () => this.select(this.visible[this.visible.length - 1]),
      PageDown: () => this.step(Math.floor(this.clientHeight / ROW_HEIGHT)),
      PageUp: () => this.step(-Math.floor(this.clientHeight / ROW_HEIGHT)),
    };
    if (!moves[event.key] || event.metaKey || event.ctrlKey || event.altKey) return;
    moves[event.key]();
    event.preventDefault();
  }
}

customElements.define('span-tree', SpanTree);

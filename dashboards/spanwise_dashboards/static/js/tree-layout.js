// Pure functions of the tree: which rows are visible, where a bar stands. No DOM, so they test without a browser.

export const ROW_HEIGHT = 32;

/**
 * The columns the server sends; every array has one entry a span, depth first.
 * @typedef {{id: string[], name: number[], names: string[], kind: number[], kinds: string[], depth: number[],
 *   children: number[], start: number[], duration: number[], first: number[], error: number[], below: number[],
 *   critical: number[], cost: string[], label: string[]}} Columns
 */

/**
 * The rows that no collapsed ancestor hides.
 * @param {number[]} depth
 * @param {Set<number>} collapsed
 * @returns {number[]}
 */
export function visibleRows(depth, collapsed) {
  const visible = [];
  let hiddenBelow = Infinity;
  for (let row = 0; row < depth.length; row += 1) {
    if (depth[row] > hiddenBelow) continue;
    hiddenBelow = collapsed.has(row) ? depth[row] : Infinity;
    visible.push(row);
  }
  return visible;
}

/** The row's parent, or -1. @param {number[]} depth @param {number} row */
export function parentOf(depth, row) {
  let at = row - 1;
  while (at >= 0 && depth[at] >= depth[row]) at -= 1;
  return depth[row] > 0 ? at : -1;
}

/**
 * Where a bar and its label stand, in percent of the axis.
 * @param {number} start @param {number} duration @param {number} first @param {number} total microseconds
 */
export function barOf(start, duration, first, total) {
  const scale = total > 0 ? 100 / total : 0;
  const x = Math.min(99.6, Math.max(0, start * scale));
  const width = Math.max(0.4, Math.min(100 - x, duration * scale));
  const wait = Math.min(width, Math.max(0, first * scale));
  const end = x + width;
  const isWide = width > 60;
  const isBefore = !isWide && end > 78;
  return { x, width, wait, isBefore, hasLabel: !isWide, labelX: isBefore ? x - 1.2 : end + 1.2 };
}

/**
 * The rows whose name or kind holds the text.
 * @param {Columns} columns @param {string} text
 * @returns {number[]}
 */
export function search(columns, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const names = columns.names.map(name => name.toLowerCase().includes(wanted));
  const kinds = columns.kinds.map(kind => kind === wanted);
  const found = [];
  for (let row = 0; row < columns.id.length; row += 1) {
    if (names[columns.name[row]] || kinds[columns.kind[row]] || columns.id[row] === wanted) found.push(row);
  }
  return found;
}

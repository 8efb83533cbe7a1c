// Which lines of a long list are drawn: those in sight and a few around them.

/** Lists up to this many lines are drawn whole, so that a browser finds text in them. */
export const wholeUpTo = 200;

/** The heights of a line and of the head of a group, in pixels. */
export interface Heights {
  line: number;
  group: number;
}

/** Where each line begins, and after all of them where the list ends. */
export function tops(kinds: readonly ('line' | 'group')[], heights: Heights): number[] {
  const tops = [0];
  let top = 0;
  for (const kind of kinds) {
    top += heights[kind];
    tops.push(top);
  }
  return tops;
}

/** The first line in sight between two heights and the one after the last, and so many more around. */
export function inSight(tops: readonly number[], from: number, to: number, around: number): [number, number] {
  const count = tops.length - 1;
  const first = Math.max(0, before(tops, from) - around);
  return [Math.min(first, count), Math.max(0, Math.min(count, before(tops, to) + 1 + around))];
}

/** The last line that begins at a height or above it. */
function before(tops: readonly number[], height: number): number {
  let low = 0;
  let high = tops.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] ?? 0) <= height) low = middle;
    else high = middle - 1;
  }
  return low;
}

export interface Part {
  /** The first line that is drawn, and the one after the last. */
  from: number;
  to: number;
  /** How much room the lines above and below take, in pixels. */
  above: number;
  below: number;
}

/** Where all lines are equally high: those of a list that begins `top` pixels above what is seen, `height` pixels high. */
export function part(count: number, line: number, top: number, height: number, extra = 12): Part {
  if (count <= wholeUpTo) return { from: 0, to: count, above: 0, below: 0 };
  const first = Math.floor(top / line) - extra;
  const from = Math.max(0, Math.min(count, first));
  const to = Math.max(from, Math.min(count, Math.ceil((top + height) / line) + extra));
  return { from, to, above: from * line, below: (count - to) * line };
}

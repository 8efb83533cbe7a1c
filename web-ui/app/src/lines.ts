// Two texts as hunks of lines, with the words that differ. Texts come masked; nothing here is markup.
import { diffArrays, diffWordsWithSpace } from 'diff';

export interface Piece {
  text: string;
  /** Whether the other text has something else in its place. */
  differs: boolean;
}

export interface Line {
  kind: 'same' | 'removed' | 'added';
  /** Its number in the text before; absent for an added line. */
  before?: number;
  /** Its number in the text after; absent for a removed line. */
  after?: number;
  pieces: Piece[];
}

export interface Hunk {
  /** The fields around it, as far as their lines are not part of it: `spec.template`. */
  place: string;
  lines: Line[];
}

/** A line of one text beside that of the other. */
export interface Pair {
  left: Line | undefined;
  right: Line | undefined;
}

/** Unchanged lines around a change. */
const around = 3;
/** More edits than these take a browser too long to find: then the texts are shown one after the other. */
const mostEdits = 1500;
/** Longer lines are not compared word by word. */
const longest = 1000;

/** What differs between two texts; a text that is not there has no lines. */
export function hunks(before: string | null, after: string | null): Hunk[] {
  const old = split(before);
  const now = split(after);
  const lines = compare(old, now);
  const found: Hunk[] = [];
  let shownTo = -1;
  lines.forEach((line, index) => {
    if (line.kind === 'same') return;
    const from = Math.max(index - around, shownTo + 1, 0);
    const to = Math.min(index + around, lines.length - 1);
    const last = found.at(-1);
    if (last && from <= shownTo + 1) {
      last.lines.push(...lines.slice(shownTo + 1, to + 1));
    } else {
      const first = lines[from];
      const place = first?.after ? placeOf(now, first.after) : placeOf(old, first?.before ?? 1);
      found.push({ place, lines: lines.slice(from, to + 1) });
    }
    shownTo = Math.max(shownTo, to);
  });
  return found;
}

/** How many lines came and went. */
export function count(found: Hunk[]): { added: number; removed: number } {
  const of = (kind: Line['kind']) =>
    found.reduce((sum, hunk) => sum + hunk.lines.filter((line) => line.kind === kind).length, 0);
  return { added: of('added'), removed: of('removed') };
}

/** The first lines of all hunks, so many of them. */
export function cut(found: Hunk[], most: number): Hunk[] {
  let room = most;
  return found
    .map((hunk) => {
      const lines = hunk.lines.slice(0, Math.max(room, 0));
      room -= lines.length;
      return { ...hunk, lines };
    })
    .filter((hunk) => hunk.lines.length > 0);
}

/** Lines side by side: what went beside what came in its place. */
export function pairs(lines: Line[]): Pair[] {
  const found: Pair[] = [];
  let left: Line[] = [];
  let right: Line[] = [];
  const flush = () => {
    for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
      found.push({ left: left[at], right: right[at] });
    }
    left = [];
    right = [];
  };
  for (const line of lines) {
    if (line.kind === 'removed') left.push(line);
    else if (line.kind === 'added') right.push(line);
    else {
      flush();
      found.push({ left: line, right: line });
    }
  }
  flush();
  return found;
}

function split(text: string | null): string[] {
  if (text === null || text === '') return [];
  return text.replace(/\n$/, '').split('\n');
}

function compare(old: string[], now: string[]): Line[] {
  const parts = changed(old, now);
  const lines: Line[] = [];
  let [before, after] = [0, 0];
  let removed: Line[] = [];
  for (const part of parts) {
    const block = part.value.map((text): Line => {
      const pieces = [{ text, differs: false }];
      if (part.removed) return { kind: 'removed', before: (before += 1), pieces };
      if (part.added) return { kind: 'added', after: (after += 1), pieces };
      return { kind: 'same', before: (before += 1), after: (after += 1), pieces };
    });
    if (part.added) {
      block.forEach((line, index) => markWords(removed[index], line));
    }
    removed = part.removed ? block : [];
    lines.push(...block);
  }
  return lines;
}

interface Part {
  value: string[];
  removed: boolean;
  added: boolean;
}

/** The lines that both texts have, and between them those of one. */
function changed(old: string[], now: string[]): Part[] {
  let begin = 0;
  while (begin < old.length && begin < now.length && old[begin] === now[begin]) begin += 1;
  let end = 0;
  const room = Math.min(old.length, now.length) - begin;
  while (end < room && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1;
  const [before, after] = [old.slice(begin, old.length - end), now.slice(begin, now.length - end)];
  const same = (value: string[]): Part => ({ value, removed: false, added: false });
  const whole: Part[] = [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ];
  const oneSided = before.length === 0 || after.length === 0;
  const found = oneSided ? whole : (diffArrays(before, after, { maxEditLength: mostEdits }) ?? whole);
  return [same(old.slice(0, begin)), ...found, same(old.slice(old.length - end))];
}

/** Marks the words in which a line differs from the one that it took the place of. */
function markWords(before: Line | undefined, after: Line): void {
  const old = before?.pieces[0]?.text;
  const now = after.pieces[0]?.text;
  if (!before || old === undefined || now === undefined) return;
  if (old.length > longest || now.length > longest) return;
  const words = diffWordsWithSpace(old, now);
  const same = words.filter((word) => !word.added && !word.removed && word.value.trim() !== '');
  // Two lines that have nothing in common are no change of words.
  if (same.length === 0) return;
  before.pieces = words
    .filter((word) => !word.added)
    .map((word) => ({ text: word.value, differs: word.removed === true }));
  after.pieces = words
    .filter((word) => !word.removed)
    .map((word) => ({ text: word.value, differs: word.added === true }));
}

/** The keys of YAML that the line with this number stands below. */
function placeOf(lines: string[], number: number): string {
  const path: string[] = [];
  let indent = depth(lines[number - 1] ?? '');
  for (let at = number - 2; at >= 0 && indent > 0; at -= 1) {
    const line = lines[at] ?? '';
    const here = depth(line);
    const key = /^ *(?:- )*"?([^":]+)"?:(?: [|>]?.*)?$/.exec(line)?.[1];
    if (here < indent && key !== undefined) {
      path.unshift(key);
      // The key of a list may be indented as far as its dashes.
      indent = line.trimStart().startsWith('- ') ? line.length - line.trimStart().length + 1 : here;
    }
  }
  return path.join('.');
}

/** How far the first key of a line is indented; that of an item stands behind its dash. */
function depth(line: string): number {
  return /^ *(?:- )*/.exec(line)?.[0].length ?? 0;
}

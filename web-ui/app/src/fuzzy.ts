// Finds what somebody means who types a few letters of it.

/** How well letters fit a text: higher is better, `undefined` where they do not. All letters must come in order. */
export function fit(letters: string, text: string): number | undefined {
  const wanted = letters.toLowerCase().replace(/\s+/g, '');
  const lower = text.toLowerCase();
  if (wanted === '') return 0;
  const whole = lower.indexOf(wanted);
  if (whole >= 0) return 1000 - whole - text.length / 100 + (isStart(lower, whole) ? 500 : 0);
  let score = 0;
  let at = -1;
  for (const letter of wanted) {
    const next = nextOf(lower, letter, at + 1);
    if (next < 0) return undefined;
    score += next === at + 1 ? 8 : isStart(lower, next) ? 6 : -Math.min(5, next - at - 1);
    at = next;
  }
  return score - text.length / 100;
}

/** The next place of a letter; the beginning of a word is better than one close by. */
function nextOf(text: string, letter: string, from: number): number {
  const near = text.indexOf(letter, from);
  if (near < 0 || near === from || isStart(text, near)) return near;
  for (let at = near; at >= 0; at = text.indexOf(letter, at + 1)) if (isStart(text, at)) return at;
  return near;
}

function isStart(text: string, at: number): boolean {
  return at === 0 || /[^a-z0-9]/.test(text[at - 1] ?? '');
}

/** The best of them, at most so many. */
export function best<T>(letters: string, items: readonly T[], textOf: (item: T) => string, most: number): T[] {
  const found: [number, T][] = [];
  for (const item of items) {
    const score = fit(letters, textOf(item));
    if (score !== undefined) found.push([score, item]);
  }
  return found
    .sort(([a], [b]) => b - a)
    .slice(0, most)
    .map(([, item]) => item);
}

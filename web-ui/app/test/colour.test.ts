// Every text can be read on every ground that it may stand on, in light and in dark.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

const style = readFileSync('src/style.css', 'utf8');
type Scheme = 0 | 1;
const schemes: [string, Scheme][] = [
  ['light', 0],
  ['dark', 1],
];

/** The colours of the first `:root`: for light and for dark. */
const tokens = new Map(
  [...style.matchAll(/--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)].map(
    ([, name, light, dark]) => [name ?? '', [light ?? '', dark ?? '']] as const,
  ),
);

function colour(name: string, scheme: Scheme): string {
  const found = tokens.get(name)?.[scheme];
  assert.ok(found, `--${name} is a colour for light and dark`);
  return found;
}

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}

/** As WCAG 2.2 defines it: from 1 to 21. */
function contrast(one: string, other: string): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function readable(text: string, grounds: string[], least: number) {
  for (const [scheme, at] of schemes) {
    for (const ground of grounds) {
      const found = contrast(colour(text, at), colour(ground, at));
      assert.ok(found >= least, `--${text} on --${ground} in ${scheme}: ${found.toFixed(2)} of ${least}`);
    }
  }
}

const plain = ['paper', 'ground', 'sunk', 'hover'];
const tones = ['bad', 'wait', 'busy', 'good', 'idle'];

test('the contrast of black and white is the greatest', () => {
  assert.equal(contrast('#000000', '#ffffff').toFixed(1), '21.0');
});

test('text and lesser text are readable wherever they stand', () => {
  const grounds = [...plain, ...tones.map((tone) => `${tone}-ground`)];
  readable('ink', grounds, 4.5);
  readable('soft', grounds, 4.5);
  readable('accent', grounds, 4.5);
});

test('a state is readable on the page and on its own ground', () => {
  for (const tone of tones) readable(tone, [...plain, `${tone}-ground`], 4.5);
});

test('the main button is readable', () => {
  readable('on-accent', ['accent'], 4.5);
});

test('the border of what can be operated, and the ring of the focus, stand out', () => {
  readable('edge', ['paper', 'ground'], 3);
  readable('accent', plain, 3);
});

test('rules name colours by their tokens', () => {
  // Where a reader asks for more contrast, the tokens are set anew.
  const rules = style
    .slice(style.indexOf(":root[data-theme='dark']"))
    .replace(/@media \(prefers-contrast: more\) \{[^}]*\}/, '');
  assert.deepEqual(rules.match(/#[0-9a-f]{3,8}\b/gi) ?? [], []);
});

// The search box of the image policies: plain words and `key:value` terms, all of which must match. The list of
// applications is searched by the agent.
import type { Image } from './model.ts';

export interface Query {
  words: string[];
  terms: { key: Key; value: string }[];
  /** Terms whose key is not known: shown, never silently ignored. */
  unknown: string[];
}

const keys = ['state', 'ns', 'repo'] as const;
type Key = (typeof keys)[number];

/** The keys that a term may have, for the help text. */
export const imageKeys: readonly string[] = keys;

export function parseForImages(text: string): Query {
  const query: Query = { words: [], terms: [], unknown: [] };
  for (const part of text.toLowerCase().split(/\s+/)) {
    if (part === '') continue;
    const colon = part.indexOf(':');
    const key = keys.find((known) => known === part.slice(0, colon));
    if (colon <= 0) query.words.push(part);
    else if (!key) query.unknown.push(part);
    else if (colon < part.length - 1) query.terms.push({ key, value: part.slice(colon + 1) });
  }
  return query;
}

/** Whether an image policy is meant. */
export function matchesImage(image: Image, { words, terms }: Query): boolean {
  const told: Record<Key, string[]> = {
    state: [image.severity, image.why.reason],
    ns: [image.namespace],
    repo: [image.repository],
  };
  return (
    terms.every(({ key, value }) => told[key].some((text) => like(text.toLowerCase(), value))) &&
    words.every((word) =>
      [
        image.name,
        image.namespace,
        image.image,
        image.select,
        image.current ?? '',
        image.chosen ?? '',
        image.why.reason,
        image.why.sentence,
        image.why.detail,
      ].some((text) => text.toLowerCase().includes(word)),
    )
  );
}

/** `pay*` matches what begins with `pay`; without a star the whole text must be equal. */
function like(text: string, pattern: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

// The search box: plain words and `key:value` terms, all of which must match.
import type { Application, Image } from './model.ts';

export interface Query<K extends string = Key> {
  words: string[];
  terms: { key: K; value: string }[];
  /** Terms whose key is not known: shown, never silently ignored. */
  unknown: string[];
}

const keys = ['health', 'state', 'waits', 'ns', 'repo', 'image', 'rev', 'author', 'result'] as const;
type Key = (typeof keys)[number];

/** The keys that a term may have, for the help text. */
export const searchKeys: readonly string[] = keys;

const ofImages = ['state', 'ns', 'repo'] as const;
type ImageKey = (typeof ofImages)[number];

/** The keys that a term may have in a search for image policies. */
export const imageKeys: readonly string[] = ofImages;

export function parse(text: string): Query {
  return read(text, keys);
}

export function parseForImages(text: string): Query<ImageKey> {
  return read(text, ofImages);
}

function read<K extends string>(text: string, keys: readonly K[]): Query<K> {
  const query: Query<K> = { words: [], terms: [], unknown: [] };
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

export function matches(application: Application, query: Query): boolean {
  const { words, terms } = query;
  return (
    terms.every(({ key, value }) => termMatches(application, key, value)) &&
    words.every((word) =>
      [
        application.name,
        application.namespace,
        application.why.reason,
        application.why.sentence,
        application.why.detail,
        ...application.waitingFor,
        application.commit?.subject ?? '',
        application.commit?.author ?? '',
        application.commit?.id ?? '',
        ...application.images,
      ].some((text) => text.toLowerCase().includes(word)),
    )
  );
}

function termMatches(application: Application, key: Key, value: string): boolean {
  const wild = (text: string | null | undefined) => like((text ?? '').toLowerCase(), value);
  switch (key) {
    case 'health':
      return wild(application.health);
    case 'state':
      return (
        wild(application.severity) ||
        wild(application.why.reason) ||
        application.holds.some((hold) => wild(hold))
      );
    case 'waits':
      return application.waitingFor.some((what) => what.toLowerCase().includes(value));
    case 'ns':
      return wild(application.namespace);
    case 'repo':
      return wild(application.repository);
    case 'image':
      return application.images.some((image) => image.toLowerCase().includes(value));
    case 'rev':
      return (application.revision?.commit ?? '').startsWith(value);
    case 'author':
      return (application.commit?.author ?? '').toLowerCase().includes(value);
    case 'result':
      return wild(application.lastSync?.result);
  }
}

/** Whether an image policy is meant. */
export function matchesImage(image: Image, { words, terms }: Query<ImageKey>): boolean {
  const told: Record<ImageKey, string[]> = {
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

// What is asked of the API about the tags of an image.

/** What a tag may be in any registry: otherwise there is nothing to ask. */
export function isTag(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(text);
}

/** The path of an image policy in the API. */
export function pathOf(namespace: string, name: string): string {
  return `images/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

/** The path of a part of its tags. */
export function tagsPath(path: string, rule: string, search: string, from: number): string {
  const asked = new URLSearchParams();
  if (rule !== '') asked.set('rule', rule);
  if (search !== '') asked.set('search', search);
  if (from > 0) asked.set('from', String(from));
  return asked.size > 0 ? `${path}/tags?${asked}` : `${path}/tags`;
}

// The text of a filter as chips change it. The agent reads it; here it is only cut into its terms.

/** The terms of a text, as they are written. */
export function terms(query: string): string[] {
  return query.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
}

/** Whether it is a term with a key, and not a word. */
export function hasKey(term: string): boolean {
  return /^-?[a-z]+:./i.test(term);
}

/** The text without the term where it has it, and with it where not. */
export function toggled(query: string, term: string): string {
  const all = terms(query);
  return (all.includes(term) ? all.filter((one) => one !== term) : [...all, term]).join(' ');
}

/** A text cut at the part that is wrong. Places count characters, not halves of them. */
export function cut(query: string, at: { from: number; to: number }): [string, string, string] {
  const all = [...query];
  const part = (from: number, to?: number) => all.slice(from, to).join('');
  return [part(0, at.from), part(at.from, at.to), part(at.to)];
}

// Which calls of people are asked for: from the address of the page to the paths of the API.

/** What may stand in the address, in the order of the form. */
export const filters = ['actor', 'action', 'kind', 'target'] as const;
export type Filter = (typeof filters)[number];
export type Given = Partial<Record<Filter, string>>;

/** What of an address is a filter and says something. */
export function known(given: Record<string, string>): Given {
  const said = filters.filter((filter) => given[filter]);
  return Object.fromEntries(said.map((filter) => [filter, given[filter]]));
}

/** The same filters with one more, or without it where it says this already. */
export function toggled(given: Given, filter: Filter, value: string): Record<string, string> {
  const { [filter]: before, ...rest } = given;
  return before === value ? rest : { ...rest, [filter]: value };
}

export function listPath(given: Given): string {
  const search = new URLSearchParams(given).toString();
  return search ? `audit?${search}` : 'audit';
}

/** A link to all of it as a file. */
export function exportPath(given: Given, format: 'csv' | 'jsonl'): string {
  return `api/v1/audit/export?${new URLSearchParams({ format, ...given })}`;
}

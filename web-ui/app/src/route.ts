// Which page an address names. Everything that a page shows is in the part after `#`.

export type Route =
  | { page: 'applications'; query: string; sort?: string; view?: string }
  | { page: 'application'; namespace: string; name: string; tab?: string; given?: Record<string, string> }
  | { page: 'sync'; id: string }
  | { page: 'images'; query: string }
  | { page: 'image'; namespace: string; name: string; rule: string; query: string }
  | { page: 'repositories' }
  | { page: 'repository'; namespace: string; name: string }
  | { page: 'webhooks'; verdict: string }
  | { page: 'activity'; given: Record<string, string> }
  | { page: 'drift' }
  | { page: 'dependencies'; namespace: string; name: string }
  | { page: 'nowhere' };

export function read(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '').map(decode);
  const [first, second, third] = parts;
  const given = new URLSearchParams(search);
  const query = given.get('q') ?? '';
  if (first === undefined) {
    const [sort, view] = [given.get('sort'), given.get('view')];
    return { page: 'applications', query, ...(sort ? { sort } : {}), ...(view ? { view } : {}) };
  }
  if (first === 'applications' && second && third && parts.length <= 4) {
    const [, , , tab] = parts;
    const rest = search === '' ? {} : { given: Object.fromEntries(given) };
    return { page: 'application', namespace: second, name: third, ...(tab ? { tab } : {}), ...rest };
  }
  if (first === 'syncs' && second && parts.length === 2) return { page: 'sync', id: second };
  if (first === 'images' && parts.length === 1) return { page: 'images', query };
  if (first === 'images' && second && third && parts.length === 3) {
    return { page: 'image', namespace: second, name: third, rule: given.get('rule') ?? '', query };
  }
  if (first === 'repositories' && parts.length === 1) return { page: 'repositories' };
  if (first === 'repositories' && second && third && parts.length === 3) {
    return { page: 'repository', namespace: second, name: third };
  }
  if (first === 'webhooks' && parts.length === 1) return { page: 'webhooks', verdict: given.get('verdict') ?? '' };
  if (first === 'activity' && parts.length === 1) return { page: 'activity', given: Object.fromEntries(given) };
  if (first === 'drift' && parts.length === 1) return { page: 'drift' };
  if (first === 'dependencies' && (parts.length === 1 || parts.length === 3)) {
    return { page: 'dependencies', namespace: second ?? '', name: third ?? '' };
  }
  return { page: 'nowhere' };
}

export function link(route: Route): string {
  switch (route.page) {
    case 'applications':
      return `#/${search({ q: route.query, sort: route.sort ?? '', view: route.view ?? '' })}`;
    case 'application': {
      const tab = route.tab ? `/${encodeURIComponent(route.tab)}` : '';
      return `#/applications/${place(route)}${tab}${search(route.given ?? {})}`;
    }
    case 'sync':
      return `#/syncs/${encodeURIComponent(route.id)}`;
    case 'images':
      return `#/images${search({ q: route.query })}`;
    case 'image':
      return `#/images/${place(route)}${search({ rule: route.rule, q: route.query })}`;
    case 'repositories':
      return '#/repositories';
    case 'repository':
      return `#/repositories/${place(route)}`;
    case 'webhooks':
      return `#/webhooks${search({ verdict: route.verdict })}`;
    case 'activity':
      return `#/activity${search(route.given)}`;
    case 'drift':
      return '#/drift';
    case 'dependencies':
      return route.name ? `#/dependencies/${place(route)}` : '#/dependencies';
    case 'nowhere':
      return '#/';
  }
}

/** What has a name, in a namespace. */
function place({ namespace, name }: { namespace: string; name: string }): string {
  return `${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

/** The part after `?`; what is empty is left out. */
function search(given: Record<string, string>): string {
  const said = Object.entries(given).filter(([, value]) => value !== '');
  return said.length > 0 ? `?${new URLSearchParams(said)}` : '';
}

/** Shows another search of the same page. Every letter would be an entry of the browser's history. */
export function searchFor(route: Route): void {
  window.history.replaceState(null, '', link(route));
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

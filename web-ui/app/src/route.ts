// Which page an address names. Everything that a page shows is in the part after `#`.

export type Route =
  | { page: 'applications'; query: string }
  | { page: 'application'; namespace: string; name: string }
  | { page: 'sync'; id: string }
  | { page: 'images' }
  | { page: 'repositories' }
  | { page: 'nowhere' };

export function read(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '').map(decode);
  const [first, second, third] = parts;
  if (first === undefined) {
    return { page: 'applications', query: new URLSearchParams(search).get('q') ?? '' };
  }
  if (first === 'applications' && second && third && parts.length === 3) {
    return { page: 'application', namespace: second, name: third };
  }
  if (first === 'syncs' && second && parts.length === 2) return { page: 'sync', id: second };
  if (first === 'images' && parts.length === 1) return { page: 'images' };
  if (first === 'repositories' && parts.length === 1) return { page: 'repositories' };
  return { page: 'nowhere' };
}

export function link(route: Route): string {
  switch (route.page) {
    case 'applications':
      return route.query ? `#/?${new URLSearchParams({ q: route.query })}` : '#/';
    case 'application':
      return `#/applications/${encodeURIComponent(route.namespace)}/${encodeURIComponent(route.name)}`;
    case 'sync':
      return `#/syncs/${encodeURIComponent(route.id)}`;
    case 'images':
      return '#/images';
    case 'repositories':
      return '#/repositories';
    case 'nowhere':
      return '#/';
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

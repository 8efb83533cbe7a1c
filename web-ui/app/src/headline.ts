// What the tab of the browser says: which page it shows, and on the list how many applications fail.
import { useEffect } from 'preact/hooks';

/** Names the page in the title of the tab. */
export function useTitle(page: string): void {
  useEffect(() => {
    document.title = `${page} · Syncline`;
  }, [page]);
}

/** Shows how many fail, in title and icon; 0 shows nothing but the name. */
export function headline(failing: number): void {
  document.title = failing > 0 ? `(${failing} failing) Syncline` : 'Syncline';
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  if (icon) icon.href = failing > 0 ? badge(failing) : 'data:,';
}

/** A sign with the number in it. The word is in the title, so the colour is not alone. */
function badge(count: number): string {
  const text = count > 99 ? '99+' : String(count);
  const size = text.length > 2 ? 13 : text.length > 1 ? 17 : 21;
  return `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="#b3261e"/><text x="16" y="${16 + size * 0.36}" font-family="sans-serif" font-weight="700" font-size="${size}" text-anchor="middle" fill="#fff">${text}</text></svg>`,
  )}`;
}

// Which image updates are on their way: another tag is chosen than Git names.
import type { Image } from './model.ts';

export function pending(items: readonly Image[]): Image[] {
  return items.filter(({ chosen, current }) => chosen && current && chosen !== current);
}

// What lies over every page when a key asks for it.
import { signal } from '@preact/signals';

export const over = signal<'palette' | 'help' | null>(null);

// The time that ages on the page are counted from; moves on while the tab is seen.
import { signal } from '@preact/signals';

export const now = signal(Date.now());

window.setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 5000);
document.addEventListener('visibilitychange', () => {
  now.value = Date.now();
});

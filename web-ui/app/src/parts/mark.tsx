// A state: a shape, and its word beside it.
import type { Look, Shape } from '../words.ts';

const paths: Record<Shape, string> = {
  cross: 'M5 5l6 6M11 5l-6 6',
  hand: 'M8 4.5v4M8 11.2v.1',
  half: 'M8 2.5a5.5 5.5 0 0 1 0 11z',
  tick: 'M4.8 8.3l2.2 2.2 4.2-4.6',
  pause: 'M6.3 5.5v5M9.7 5.5v5',
  hollow: '',
  person: 'M8 7.6a1.9 1.9 0 1 0 0-3.8 1.9 1.9 0 0 0 0 3.8M4.4 12a3.7 3.7 0 0 1 7.2 0',
};

export function Mark({ look }: { look: Look }) {
  return (
    <span class={`mark ${look.tone}`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class={look.shape}>
        <circle cx="8" cy="8" r="6.5" />
        <path d={paths[look.shape]} />
      </svg>
      <span>{look.word}</span>
    </span>
  );
}

// A text to copy.
import { useState } from 'preact/hooks';

export function Copy({ text }: { text: string }) {
  return (
    <div class="copy">
      <pre tabIndex={0}>{text}</pre>
      <CopyButton word="Copy" text={() => text} />
    </div>
  );
}

/** The address of what is shown, to be sent to somebody. */
export function CopyLink() {
  return <CopyButton word="Copy link" text={() => window.location.href} />;
}

/** Says in its own place whether it could; screen readers read that out. */
function CopyButton({ word, text }: { word: string; text: () => string }) {
  const [said, say] = useState(word);
  return (
    <button
      type="button"
      aria-live="polite"
      onClick={() =>
        void navigator.clipboard.writeText(text()).then(
          () => say('Copied'),
          () => say('Not allowed'),
        )
      }
    >
      {said}
    </button>
  );
}

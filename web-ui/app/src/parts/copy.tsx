// A text to copy.
import { useState } from 'preact/hooks';

export function Copy({ text }: { text: string }) {
  const [said, say] = useState('Copy');
  return (
    <div class="copy">
      <pre tabIndex={0}>{text}</pre>
      <button
        type="button"
        onClick={() =>
          void navigator.clipboard.writeText(text).then(
            () => say('Copied'),
            () => say('Not allowed'),
          )
        }
      >
        {said}
      </button>
    </div>
  );
}

/** The address of what is shown, to be sent to somebody. */
export function CopyLink() {
  const [said, tell] = useState('Copy link');
  return (
    <button
      type="button"
      onClick={() =>
        void navigator.clipboard.writeText(window.location.href).then(
          () => tell('Copied'),
          () => tell('Not allowed'),
        )
      }
    >
      {said}
    </button>
  );
}

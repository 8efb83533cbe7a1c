// What lies over the page: a dialog in the middle, or a drawer at the side. Escape and the button close both,
// the focus stays inside, and goes back to where it was.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';

interface Props {
  title: ComponentChildren;
  /** Called once it was closed, however that happened. */
  onClose: () => void;
  children: ComponentChildren;
  /** The buttons, the main one last; left out where there is nothing to decide. */
  footer?: ComponentChildren;
}

/** A question to answer before anything else. Mount it to open it. */
export function Dialog({ size, ...props }: Props & { size?: 'broad' }) {
  return <Over {...props} look={size ? `dialog ${size}` : 'dialog'} />;
}

/** One thing of the page, looked at closely. Mount it to open it; give it an address of its own. */
export function Drawer(props: Props) {
  return <Over {...props} look="drawer" />;
}

function Over({ title, onClose, children, footer, look }: Props & { look: string }) {
  const element = useRef<HTMLDialogElement>(null);
  const name = useId();
  const gone = useRef(false);
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    // Who is asked something answers at once.
    dialog?.querySelector<HTMLElement>('.form :is(input, textarea, select)')?.focus();
    return () => {
      gone.current = true;
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={look}
      aria-labelledby={name}
      onCancel={(event) => {
        // It is closed by being taken out of the page.
        event.preventDefault();
        onClose();
      }}
      // A browser may close it without asking.
      onClose={() => {
        if (!gone.current) onClose();
      }}
      // Whoever presses beside it does not want it; a selection that only ends there does.
      onPointerDown={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <header>
        <h2 id={name}>{title}</h2>
        <button type="button" class="icon" aria-label="Close" onClick={onClose}>
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class="cross-out">
            <path d="M4 4l8 8M12 4l-8 8" />
          </svg>
        </button>
      </header>
      <div class="body" tabIndex={0}>
        {children}
      </div>
      {footer ? <footer>{footer}</footer> : null}
    </dialog>
  );
}

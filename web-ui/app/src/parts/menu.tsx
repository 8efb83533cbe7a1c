// A button that opens a small box below it. Escape, a click elsewhere and leaving it close it.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

interface Props {
  name: ComponentChildren;
  /** What is inside; a function makes it when the box is opened. */
  children: ComponentChildren | (() => ComponentChildren);
  /** A choice closes it. */
  closes?: boolean;
}

export function Menu({ name, children, closes = false }: Props) {
  const element = useRef<HTMLDetailsElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const outside = (event: Event) => {
      const menu = element.current;
      if (menu?.open && event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
    };
  }, []);
  const close = () => {
    const menu = element.current;
    if (!menu?.open) return;
    menu.open = false;
    menu.querySelector('summary')?.focus();
  };
  return (
    <details
      class="menu"
      ref={element}
      onToggle={() => setOpen(element.current?.open ?? false)}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !element.current?.open) return;
        event.preventDefault();
        close();
      }}
    >
      <summary>{name}</summary>
      <div class={closes ? 'choices' : undefined} onClick={closes ? close : undefined}>
        {typeof children !== 'function' ? children : open ? children() : null}
      </div>
    </details>
  );
}

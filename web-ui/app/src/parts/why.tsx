// Why something is as it is: what, exactly what, what to do, since when.
import type { Why } from '../model.ts';
import type { Look } from '../words.ts';
import { Mark } from './mark.tsx';
import { Prose, Time } from './text.tsx';

export function WhyPanel({ why, look }: { why: Why; look: Look }) {
  return (
    <section class={`why ${look.tone}`} aria-label="Why">
      <p class="headline">
        <Mark look={look} />
        {why.since ? (
          <span class="quiet">
            for <Time at={why.since} />
          </span>
        ) : null}
      </p>
      <p class="sentence">
        <Prose text={why.sentence} />.
      </p>
      {why.detail ? <p class="detail">{why.detail}</p> : null}
      {why.remedy ? (
        <p class="remedy">
          <b>What to do:</b> <Prose text={why.remedy} />.
        </p>
      ) : null}
    </section>
  );
}

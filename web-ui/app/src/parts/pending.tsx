// Image updates that are on their way, and what they wait for.
import type { Image } from '../model.ts';
import { pending } from '../pending.ts';
import { link } from '../route.ts';
import { state } from '../words.ts';
import { Mark } from './mark.tsx';
import { Prose } from './text.tsx';

export function Pending({ items }: { items: Image[] }) {
  const found = pending(items);
  if (found.length === 0) return null;
  return (
    <section aria-labelledby="pending">
      <h2 id="pending">
        Pending updates <span class="count">{found.length}</span>
      </h2>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Policy</th>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col" class="wide">Why not yet</th>
          </tr>
        </thead>
        <tbody>
          {found.map(({ namespace, name, severity, why, current, chosen }) => (
            <tr key={`${namespace}/${name}`}>
              <td class="state">
                <Mark look={state(severity, why)} />
              </td>
              <td>
                <a href={link({ page: 'image', namespace, name, rule: '', query: '' })}>
                  <span class="quiet">{namespace}/</span>
                  {name}
                </a>
              </td>
              <td>
                <code>{current}</code>
              </td>
              <td>
                <code>{chosen}</code>
              </td>
              <td class="wide">
                <Prose text={why.detail || why.sentence} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

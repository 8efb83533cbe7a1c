// What is not shown because a right is missing, or for another reason.
import type { MissingRight } from '../model.ts';
import { Mark } from './mark.tsx';
import { Prose } from './text.tsx';

/** Names each right; what is shown is shown all the same. */
export function Missing({ rights, notes }: { rights: MissingRight[]; notes: string[] }) {
  if (rights.length === 0 && notes.length === 0) return null;
  return (
    <div class="banner missing" role="status">
      {rights.length > 0 ? (
        <>
          <p>
            <Mark look={{ word: rights.length === 1 ? 'A right is missing' : 'Rights are missing', tone: 'wait', shape: 'hand' }} />
          </p>
          <ul>
            {rights.map((right) => (
              <li key={right.sentence}>
                <Prose text={right.sentence} />
              </li>
            ))}
          </ul>
          <p class="quiet">
            <Prose
              text={
                rights.some((right) => right.resource === 'pods/log')
                  ? 'A RoleBinding to the cluster role `syncline-logs` grants it.'
                  : 'A RoleBinding to the cluster role `syncline-look` grants what is needed to look. The rest is shown.'
              }
            />
          </p>
        </>
      ) : null}
      {notes.map((note) => (
        <p key={note}>
          <Prose text={note} />.
        </p>
      ))}
    </div>
  );
}

// What a sync found changed by others, and who had changed it.
import type { SyncDetail } from '../../model.ts';
import { Time } from '../../parts/text.tsx';

export function Drift({ items }: { items: SyncDetail['drift'] }) {
  if (items.length === 0) return null;
  return (
    <section aria-labelledby="drift">
      <h2 id="drift">
        Changed by others <span class="count">{items.length}</span>
      </h2>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Object</th>
            <th scope="col" class="wide">By</th>
            <th scope="col">Fields</th>
            <th scope="col" class="number wide">Age</th>
          </tr>
        </thead>
        <tbody>
          {items.map((drift, index) => (
            <tr key={index}>
              <td>
                {drift.object}
                <span class="narrow quiet">by {drift.manager}</span>
              </td>
              <td class="wide">{drift.manager}</td>
              <td>
                {drift.fields.length > 0 ? (
                  drift.fields.map((field) => (
                    <code key={field} class="field">
                      {field}
                    </code>
                  ))
                ) : (
                  <span class="quiet">the object was gone</span>
                )}
              </td>
              <td class="number wide">{drift.time ? <Time at={drift.time} /> : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

// What Git changed in an object: each field with its value before and after.
import type { FieldChange } from '../model.ts';
import { changed, isLong } from '../words.ts';

export function Changes({ changes }: { changes: FieldChange[] }) {
  if (changes.length === 0) return null;
  const list = (
    <ul class="changes">
      {changes.map((change, index) => (
        <li key={index}>
          <code class="path">{change.path}</code> {changed(change)} <Values change={change} />
        </li>
      ))}
    </ul>
  );
  if (!isLong(changes)) return list;
  return (
    <details>
      <summary>
        {changes.length} {changes.length === 1 ? 'field' : 'fields'} changed
      </summary>
      {list}
    </details>
  );
}

function Values({ change: { before, after } }: { change: FieldChange }) {
  return (
    <>
      {before != null ? (
        <del>
          <code>{before}</code>
        </del>
      ) : null}
      {before != null && after != null ? ' to ' : null}
      {after != null ? (
        <ins>
          <code>{after}</code>
        </ins>
      ) : null}
    </>
  );
}

// Views of the list that somebody saved, and one that came with a link.
import { useState } from 'preact/hooks';
import { Menu } from '../../parts/menu.tsx';
import { say } from '../../parts/toast.tsx';
import { link } from '../../route.ts';
import { remove, save, views, type View } from '../../saved.ts';
import type { Place } from '../applications.tsx';

/** The address of a view, with its name, so that who opens it may save it too. */
function linkTo({ name, query, sort }: View): string {
  return link({ page: 'applications', query, sort, view: name });
}

export function ViewsMenu({ place }: { place: Place }) {
  const [name, setName] = useState('');
  const { query, sort } = place;
  const isPlain = query.trim() === '' && sort === '';
  return (
    <Menu name="Views">
      {() => (
        <>
          {views.value.length === 0 ? (
            <p class="quiet">A filter and an order that you often need can be saved here. They stay in this browser.</p>
          ) : (
            <ul class="views">
              {views.value.map((view) => (
                <li key={view.name}>
                  <a href={link({ page: 'applications', query: view.query, sort: view.sort })}>{view.name}</a>
                  <button type="button" class="small plain" aria-label={`Copy link to ${view.name}`} onClick={() => copy(view)}>
                    Copy link
                  </button>
                  <button type="button" class="small plain" aria-label={`Remove ${view.name}`} onClick={() => remove(view.name)}>
                    Remove
                  </button>
                </li>
              ))}
            </ul>
          )}
          <form
            onSubmit={(event) => {
              event.preventDefault();
              save({ name: name.trim(), query, sort });
              setName('');
            }}
          >
            <input type="text" aria-label="Name of the view" placeholder="Name" maxLength={60} value={name} onInput={(event) => setName(event.currentTarget.value)} />
            <button type="submit" disabled={name.trim() === '' || isPlain}>
              Save this view
            </button>
          </form>
          {isPlain ? <p class="hint">There is no filter and no order to save yet.</p> : null}
        </>
      )}
    </Menu>
  );
}

function copy(view: View): void {
  const address = new URL(linkTo(view), window.location.href).href;
  navigator.clipboard.writeText(address).then(
    () => say(`The link to ${view.name} is copied.`),
    () => say('The browser does not allow copying.', 'bad'),
  );
}

/** Offers to save a view that came with a link. */
export function SharedView({ place }: { place: Place }) {
  const { view: name, query, sort } = place;
  const known = views.value.find((view) => view.name === name);
  if (name === '' || (known?.query === query && known.sort === sort)) return null;
  return (
    <p class="banner busy" role="status">
      This link is the view <b>{name}</b>.{' '}
      <button type="button" class="small" onClick={() => save({ name, query, sort })}>
        {known ? 'Replace mine of that name' : 'Save it'}
      </button>
    </p>
  );
}

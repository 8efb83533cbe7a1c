// The application: the frame around the pages, and which page is shown.
import { signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import * as keys from './keys.ts';
import * as live from './live.ts';
import { useLoaded } from './load.ts';
import type { About } from './model.ts';
import { ApplicationPage } from './pages/application.tsx';
import { ApplicationsPage } from './pages/applications.tsx';
import { ImagePage } from './pages/image.tsx';
import { ImagesPage } from './pages/images.tsx';
import { RepositoriesPage } from './pages/repositories.tsx';
import { SyncPage } from './pages/sync.tsx';
import { LostBanner } from './parts/states.tsx';
import { Prose, Until } from './parts/text.tsx';
import { link, read, type Route } from './route.ts';
import { utc } from './time.ts';

const route = signal<Route>(read(window.location.hash));
window.addEventListener('hashchange', () => {
  route.value = read(window.location.hash);
});

function Frame() {
  const current = route.value;
  const about = useLoaded<About>('about', ({ topic }) => topic === 'agent').data;
  const key = pageOf(current);
  useEffect(() => {
    window.scrollTo(0, 0);
    // Whoever reads with a screen reader hears which page this is now.
    if (document.activeElement === document.body) {
      document.querySelector<HTMLElement>('h1')?.focus();
    }
  }, [key]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={link({ page: 'applications', query: '' })}>
          Syncline
        </a>
        <nav aria-label="Pages">
          <Tab to={{ page: 'applications', query: '' }} on={['applications', 'application', 'sync']}>
            Applications
          </Tab>
          <Tab to={{ page: 'images', query: '' }} on={['images', 'image']}>
            Images
          </Tab>
          <Tab to={{ page: 'repositories' }} on={['repositories']}>
            Repositories
          </Tab>
        </nav>
        <Footing about={about} />
      </header>
      <LostBanner />
      <FrozenBanner about={about} />
      <Page current={current} key={key} />
    </>
  );
}

/** Names what is looked at; another search is the same page. */
function pageOf(route: Route): string {
  switch (route.page) {
    case 'applications':
    case 'images':
      return link({ ...route, query: '' });
    case 'image':
      return link({ ...route, rule: '', query: '' });
    default:
      return link(route);
  }
}

function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('h1')?.focus();
}

function Tab(props: { to: Route; on: Route['page'][]; children: string }) {
  const here = props.on.includes(route.value.page);
  return (
    <a href={link(props.to)} aria-current={here ? 'page' : undefined}>
      {props.children}
    </a>
  );
}

/** Says on every page that nothing is synced. */
function FrozenBanner({ about }: { about: About | undefined }) {
  const freeze = about?.freeze;
  if (!freeze) return null;
  return (
    <p class="banner frozen" role="status">
      <b>The agent is frozen{freeze.by ? ` by ${freeze.by}` : ''}:</b> no sync runs and no image is updated
      {freeze.until ? (
        <>
          ; ends <Until at={freeze.until} />
        </>
      ) : null}
      . {freeze.reason}. <Prose text="`syncline unfreeze` ends it." />
    </p>
  );
}

function Footing({ about: data }: { about: About | undefined }) {
  const lost = live.lostSince.value !== null;
  return (
    <p class="about quiet">
      <span class={lost ? 'live lost' : 'live'}>{lost ? 'not live' : 'live'}</span>
      {data ? (
        <span
          class="wide"
          title={`Instance ${data.instance}${data.historySince ? `\nHistory since ${utc(data.historySince)}` : ''}`}
        >
          {data.version}
        </span>
      ) : null}
    </p>
  );
}

function Page({ current }: { current: Route }) {
  switch (current.page) {
    case 'applications':
      return <ApplicationsPage query={current.query} />;
    case 'application':
      return <ApplicationPage namespace={current.namespace} name={current.name} />;
    case 'sync':
      return <SyncPage id={current.id} />;
    case 'images':
      return <ImagesPage query={current.query} />;
    case 'image':
      return <ImagePage {...current} />;
    case 'repositories':
      return <RepositoriesPage />;
    case 'nowhere':
      return (
        <main id="main">
          <h1 tabIndex={-1}>There is no such page</h1>
          <p>
            <a href={link({ page: 'applications', query: '' })}>To the applications</a>
          </p>
        </main>
      );
  }
}

live.start();
keys.start();
const place = document.getElementById('app');
if (place) render(<Frame />, place);

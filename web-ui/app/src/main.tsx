// The application: the frame around the pages, and which page is shown.
import { signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import * as display from './display.ts';
import { useTitle } from './headline.ts';
import * as keys from './keys.ts';
import * as live from './live.ts';
import { useLoaded } from './load.ts';
import type { About } from './model.ts';
import { ApplicationPage } from './pages/application.tsx';
import { ApplicationsPage } from './pages/applications.tsx';
import { OneAction, type Subject } from './parts/actions.tsx';
import { DisplayMenu } from './parts/display.tsx';
import { later } from './parts/later.tsx';
import { Overlays } from './parts/overlays.tsx';
import { LostBanner } from './parts/states.tsx';
import { Until } from './parts/text.tsx';
import { Toasts } from './parts/toast.tsx';
import { link, read, type Route } from './route.ts';
import { utc } from './time.ts';

// The list and an application are there at once; other pages are fetched when they are opened first.
const ImagePage = later(() => import('./pages/image.tsx').then(({ ImagePage }) => ImagePage), 'page');
const ImagesPage = later(() => import('./pages/images.tsx').then(({ ImagesPage }) => ImagesPage), 'page');
const ActivityPage = later(() => import('./pages/activity.tsx').then(({ ActivityPage }) => ActivityPage), 'page');
const DependenciesPage = later(() => import('./pages/dependencies.tsx').then(({ DependenciesPage }) => DependenciesPage), 'page');
const DriftPage = later(() => import('./pages/drift.tsx').then(({ DriftPage }) => DriftPage), 'page');
const RepositoryPage = later(() => import('./pages/repository.tsx').then(({ RepositoryPage }) => RepositoryPage), 'page');
const WebhooksPage = later(() => import('./pages/webhooks.tsx').then(({ WebhooksPage }) => WebhooksPage), 'page');
const RepositoriesPage = later(() => import('./pages/repositories.tsx').then(({ RepositoriesPage }) => RepositoriesPage), 'page');
const SyncPage = later(() => import('./pages/sync.tsx').then(({ SyncPage }) => SyncPage), 'page');

/** What the actions have to know of the agent itself. */
const agent: Subject = { target: 'agent', key: '', path: 'agent' };

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
    // On a narrow screen the page that is shown may be out of sight.
    document.querySelector('.top nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
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
          <Tab to={{ page: 'applications', query: '' }} on={['applications', 'application', 'sync']} go="a">
            Applications
          </Tab>
          <Tab to={{ page: 'images', query: '' }} on={['images', 'image']} go="i">
            Images
          </Tab>
          <Tab to={{ page: 'repositories' }} on={['repositories', 'repository']} go="r">
            Repositories
          </Tab>
          <Tab to={{ page: 'dependencies', namespace: '', name: '' }} on={['dependencies']} go="d">
            Dependencies
          </Tab>
          <Tab to={{ page: 'drift' }} on={['drift']} go="t">
            Drift
          </Tab>
          <Tab to={{ page: 'webhooks', verdict: '' }} on={['webhooks']} go="w">
            Webhooks
          </Tab>
          <Tab to={{ page: 'activity', given: {} }} on={['activity']} go="y">
            Activity
          </Tab>
        </nav>
        <a class="unseen" tabIndex={-1} data-go="f" data-says="what fails" href={link({ page: 'applications', query: 'state:failing' })}>
          What fails
        </a>
        <Footing about={about} />
      </header>
      <LostBanner />
      <FrozenBanner about={about} />
      <HistoryBanner about={about} />
      <Page current={current} key={key} />
      <Toasts />
      <Overlays />
    </>
  );
}

/** Names what is looked at; another search is the same page. */
function pageOf(route: Route): string {
  switch (route.page) {
    case 'applications':
      return link({ page: 'applications', query: '' });
    case 'images':
      return link({ ...route, query: '' });
    case 'image':
      return link({ ...route, rule: '', query: '' });
    case 'webhooks':
      return link({ page: 'webhooks', verdict: '' });
    case 'activity':
      return link({ page: 'activity', given: {} });
    case 'application':
      // Another tab is the same page; what it shows under the tabs has a key of its own.
      return link({ page: 'application', namespace: route.namespace, name: route.name });
    default:
      return link(route);
  }
}

function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('h1')?.focus();
}

function Tab(props: { to: Route; on: Route['page'][]; go?: string; children: string }) {
  const here = props.on.includes(route.value.page);
  return (
    <a href={link(props.to)} aria-current={here ? 'page' : undefined} data-go={props.go}>
      {props.children}
    </a>
  );
}

/** Says on every page that nothing is synced. */
function FrozenBanner({ about }: { about: About | undefined }) {
  const freeze = about?.freeze;
  if (!freeze) return null;
  return (
    <p class="banner" role="status">
      <b>The agent is frozen{freeze.by ? ` by ${freeze.by}` : ''}:</b> no sync runs and no image is updated
      {freeze.until ? (
        <>
          ; ends <Until at={freeze.until} />
        </>
      ) : null}
      . Why: {freeze.reason}. <OneAction subject={agent} action="unfreeze" class="small" />
    </p>
  );
}

/** Says on every page that history is not kept as it should be. */
function HistoryBanner({ about }: { about: About | undefined }) {
  const notice = about?.history.notice;
  if (!notice) return null;
  return (
    <p class="banner" role="status">
      <b>History:</b> {notice}. Syncs go on.
    </p>
  );
}

function Footing({ about: data }: { about: About | undefined }) {
  const lost = live.lostSince.value !== null;
  return (
    <div class="about quiet">
      {data && !data.freeze ? <OneAction subject={agent} action="freeze" class="small plain" /> : null}
      <span class={lost ? 'live lost' : 'live'}>{lost ? 'not live' : 'live'}</span>
      {data ? (
        <span
          class="wide"
          title={`Instance ${data.instance}${data.historySince ? `\nHistory since ${utc(data.historySince)}` : ''}\nHistory in ${data.history.database}`}
        >
          {data.version}
        </span>
      ) : null}
      <DisplayMenu />
    </div>
  );
}

function Page({ current }: { current: Route }) {
  switch (current.page) {
    case 'applications':
      return <ApplicationsPage query={current.query} sort={current.sort ?? ''} view={current.view ?? ''} />;
    case 'application':
      return <ApplicationPage {...current} />;
    case 'sync':
      return <SyncPage id={current.id} />;
    case 'images':
      return <ImagesPage query={current.query} />;
    case 'image':
      return <ImagePage {...current} />;
    case 'repositories':
      return <RepositoriesPage />;
    case 'repository':
      return <RepositoryPage {...current} />;
    case 'webhooks':
      return <WebhooksPage {...current} />;
    case 'activity':
      return <ActivityPage {...current} />;
    case 'drift':
      return <DriftPage />;
    case 'dependencies':
      return <DependenciesPage {...current} />;
    case 'nowhere':
      return <Nowhere />;
  }
}

function Nowhere() {
  useTitle('There is no such page');
  return (
    <main id="main">
      <h1 tabIndex={-1}>There is no such page</h1>
      <p>
        <a href={link({ page: 'applications', query: '' })}>To the applications</a>
      </p>
    </main>
  );
}

display.start();
live.start();
keys.start();
const place = document.getElementById('app');
if (place) render(<Frame />, place);

// One object of the tree, looked at closely: what it says, all of it, its events, its logs.
import { useFresh } from '../../fresh.ts';
import { useLoaded } from '../../load.ts';
import type { Events, ObjectDetail, ObjectName, ResourceNode } from '../../model.ts';
import * as objects from '../../objects.ts';
import { Copy } from '../../parts/copy.tsx';
import { Drawer } from '../../parts/dialog.tsx';
import { EventTable } from '../../parts/events.tsx';
import { LogPane } from '../../parts/log-pane.tsx';
import { Mark } from '../../parts/mark.tsx';
import { Missing } from '../../parts/missing.tsx';
import { Shown } from '../../parts/states.tsx';
import { Tabs } from '../../parts/tabs.tsx';
import { Moment, ObjectText, Place, Prose, Time } from '../../parts/text.tsx';
import * as words from '../../words.ts';

interface Props {
  path: string;
  object: ObjectName;
  home: string;
  view: string;
  to: (more: Record<string, string>) => string;
  close: () => void;
}

const nothing = () => false;

export function ObjectDrawer({ path, object, home, view, to, close }: Props) {
  const loaded = useLoaded<ObjectDetail>(`${path}/${objects.objectPath(object)}`, nothing);
  useFresh(loaded, 10);
  const address = objects.written(object);
  const hasPods = (loaded.data?.pods.length ?? 0) > 0;
  const views = [
    { id: '', word: 'Summary' },
    { id: 'yaml', word: 'YAML' },
    { id: 'events', word: 'Events' },
    ...(hasPods || view === 'logs' ? [{ id: 'logs', word: 'Logs' }] : []),
  ];
  return (
    <Drawer title={<ObjectText object={object} home={home} />} onClose={close}>
      <Tabs
        label={`What is known of ${object.kind} ${object.name}`}
        tabs={views.map(({ id, word }) => ({
          to: to({ object: address, ...(id ? { view: id } : {}) }),
          word,
          here: id === view,
        }))}
      />
      <Shown of={loaded}>
        {(detail) => (
          <>
            <Missing rights={detail.missing} notes={detail.notes} />
            <View view={view} detail={detail} path={path} object={object} home={home} to={to} />
          </>
        )}
      </Shown>
    </Drawer>
  );
}

function View({ view, detail, path, object, home, to }: Omit<Props, 'close'> & { detail: ObjectDetail }) {
  switch (view) {
    case 'yaml':
      return <Yaml detail={detail} />;
    case 'events':
      return <ObjectEvents path={path} object={object} home={home} />;
    case 'logs':
      return <LogPane path={path} pods={detail.pods} start={{}} />;
    default:
      return <Summary detail={detail} home={home} to={to} />;
  }
}

function Summary({ detail, home, to }: { detail: ObjectDetail; home: string; to: Props['to'] }) {
  const { node, owners, conditions } = detail;
  const root = owners[0] ?? node;
  return (
    <>
      <dl class="facts">
        <div class="broad">
          <dt>Health</dt>
          <dd>
            <Mark look={words.health(node.health)} />
            {node.healthMessage ? (
              <p class="remark">
                <Prose text={node.healthMessage} />
              </p>
            ) : null}
          </dd>
        </div>
        {node.sync ? (
          <div>
            <dt>Git</dt>
            <dd>
              <Mark look={objects.syncState(node.sync)} />
            </dd>
          </div>
        ) : null}
        {node.ready ? (
          <div>
            <dt>Ready</dt>
            <dd>
              {node.ready.ready} of {node.ready.wanted}
            </dd>
          </div>
        ) : null}
        {node.created ? (
          <div>
            <dt>Created</dt>
            <dd>
              <Moment at={node.created} />
            </dd>
          </div>
        ) : null}
        <div class="broad">
          <dt>Defined in</dt>
          <dd>
            <Place origin={root.origin} />
            {owners.length > 0 ? <span class="remark"> by what it belongs to</span> : null}
          </dd>
        </div>
        <div class="broad">
          <dt>Identity</dt>
          <dd>
            <code>{detail.apiVersion}</code> {detail.uid ? <code class="quiet">{detail.uid}</code> : <span class="quiet">not there</span>}
          </dd>
        </div>
      </dl>
      {owners.length > 0 ? <Owners owners={owners} node={node} home={home} to={to} /> : null}
      {node.containers.length > 0 ? <Containers node={node} to={to} /> : null}
      {conditions.length > 0 ? <Conditions conditions={conditions} /> : null}
    </>
  );
}

/** What it belongs to, up to the place in Git. */
function Owners({ owners, node, home, to }: { owners: ResourceNode[]; node: ResourceNode; home: string; to: Props['to'] }) {
  return (
    <section>
      <h3>Belongs to</h3>
      <ol class="chain">
        {owners.map((owner) => (
          <li key={objects.written(owner.object)}>
            <a href={to({ object: objects.written(owner.object) })}>
              <ObjectText object={owner.object} home={home} />
            </a>{' '}
            {owner.origin ? <Place origin={owner.origin} /> : null}
          </li>
        ))}
        <li>
          <ObjectText object={node.object} home={home} />
        </li>
      </ol>
    </section>
  );
}

function Containers({ node, to }: { node: ResourceNode; to: Props['to'] }) {
  return (
    <section>
      <h3>Containers</h3>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Container</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Restarts
            </th>
            <th scope="col" class="wide number">
              Since
            </th>
          </tr>
        </thead>
        <tbody>
          {node.containers.map((one) => (
            <tr key={one.name}>
              <td>
                <a href={to({ object: objects.written(node.object), view: 'logs' })}>{one.name}</a>
                {one.init ? <span class="quiet"> runs before the others</span> : null}
                <p class="remark">{one.image}</p>
              </td>
              <td>
                <Mark look={objects.container(one)} />
              </td>
              <td class="number">{one.restarts}</td>
              <td class="wide number">{one.since ? <Time at={one.since} /> : null}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Conditions({ conditions }: { conditions: ObjectDetail['conditions'] }) {
  return (
    <section>
      <h3>Conditions</h3>
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Condition</th>
            <th scope="col">Status</th>
            <th scope="col">Why</th>
            <th scope="col" class="number">
              Since
            </th>
          </tr>
        </thead>
        <tbody>
          {conditions.map((one) => (
            <tr key={one.kind}>
              <td>{one.kind}</td>
              <td>{one.status}</td>
              <td>
                {one.reason}
                {one.message ? <p class="remark">{one.message}</p> : null}
              </td>
              <td class="number">{one.since ? <Time at={one.since} /> : null}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Yaml({ detail }: { detail: ObjectDetail }) {
  if (detail.yaml == null) return <p class="nothing">It could not be read.</p>;
  return (
    <section>
      <p class="quiet">As it is in the cluster; secrets are masked and managed fields left out.</p>
      <Copy text={detail.yaml} />
      {detail.yamlCut ? <p class="quiet">It goes on: the rest is too long to be shown.</p> : null}
    </section>
  );
}

function ObjectEvents({ path, object, home }: { path: string; object: ObjectName; home: string }) {
  const loaded = useLoaded<Events>(`${path}/events?${objects.objectQuery(object)}`, nothing);
  useFresh(loaded, 10);
  return (
    <section aria-label="Events">
      <Shown of={loaded}>
        {(events) => (
          <>
            <Missing rights={events.missing} notes={events.notes} />
            <EventTable events={events.items} home={home} />
          </>
        )}
      </Shown>
    </section>
  );
}

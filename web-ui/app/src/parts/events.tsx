// Events of Kubernetes, the newest first.
import type { KubernetesEvent } from '../model.ts';
import * as objects from '../objects.ts';
import { Mark } from './mark.tsx';
import { ObjectText, Time } from './text.tsx';

/** Without `to` the objects are no links. */
export function EventTable({ events, home, to }: { events: KubernetesEvent[]; home: string; to?: (object: string) => string }) {
  if (events.length === 0) {
    return <p class="nothing">Kubernetes has said nothing lately. It forgets events after an hour or so.</p>;
  }
  return (
    <table class="list stack events">
      <thead>
        <tr>
          <th scope="col">Kind</th>
          <th scope="col">What happened</th>
          <th scope="col" class="wide">
            Object
          </th>
          <th scope="col" class="wide number">
            Times
          </th>
          <th scope="col" class="number">
            Age
          </th>
        </tr>
      </thead>
      <tbody>
        {events.map((event, index) => (
          <tr key={`${objects.written(event.object)} ${event.reason} ${event.last} ${index}`}>
            <td class="state">
              <Mark look={event.warning ? { word: 'Warning', tone: 'wait', shape: 'hand' } : { word: 'Normal', tone: 'idle', shape: 'hollow' }} />
            </td>
            <td>
              <b>{event.reason}</b>
              {event.message ? <p class="remark">{event.message}</p> : null}
              {event.source ? <p class="remark">by {event.source}</p> : null}
              <span class="narrow">
                <Named event={event} home={home} to={to} />
              </span>
            </td>
            <td class="wide">
              <Named event={event} home={home} to={to} />
            </td>
            <td class="wide number">{event.count > 1 ? event.count : ''}</td>
            <td class="number">{event.last ? <Time at={event.last} /> : null}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Named({ event, home, to }: { event: KubernetesEvent; home: string; to: ((object: string) => string) | undefined }) {
  const text = <ObjectText object={event.object} home={home} />;
  if (!to || event.object.kind === 'Application') return text;
  return <a href={to(objects.written(event.object))}>{text}</a>;
}

// The spec of an Application as the agent understands it, with the defaults that it does not name.
import type { ComponentChildren } from 'preact';
import { useLoaded } from '../../load.ts';
import type { Configuration as Settings, HealthRule } from '../../model.ts';
import { Mark } from '../../parts/mark.tsx';
import { Shown } from '../../parts/states.tsx';
import { length } from '../../time.ts';
import type { TabProps } from './tabs.tsx';

export function Configuration({ detail, path, concerns }: TabProps) {
  const loaded = useLoaded<Settings>(`${path}/configuration`, concerns);
  return (
    <section aria-label="Configuration">
      <Shown of={loaded}>
        {(configuration) => (
          <>
            {configuration.groups.map((group) => (
              <section key={group.title}>
                <h2>{group.title}</h2>
                <table class="list settings">
                  <thead class="unseen">
                    <tr>
                      <th scope="col">Field</th>
                      <th scope="col">Value</th>
                    </tr>
                  </thead>
                  <tbody>
                    {group.settings.map((setting) => (
                      <tr key={setting.field}>
                        <th scope="row">
                          <code>{setting.field}</code>
                        </th>
                        <td>
                          {setting.values.map((value) => (
                            <span key={value} class="field">
                              {value}
                            </span>
                          ))}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </section>
            ))}
            <Windows detail={detail} />
            <Ignored rules={configuration.ignore} />
            <HealthRules title="Health rules" rules={configuration.health} none="It has no health rules of its own." />
            {configuration.agentHealth.length > 0 ? (
              <HealthRules title="Health rules of the agent" rules={configuration.agentHealth} none="" />
            ) : null}
            {configuration.generation != null ? (
              <p class="keys quiet">Read from generation {configuration.generation} of the Application.</p>
            ) : null}
          </>
        )}
      </Shown>
    </section>
  );
}

function Windows({ detail: { windows } }: Pick<TabProps, 'detail'>) {
  if (!windows) return null;
  return (
    <section>
      <h2>Windows now</h2>
      <table class="list rules">
        <thead>
          <tr>
            <th scope="col">Rule</th>
            <th scope="col">When</th>
            <th scope="col">Now</th>
            <th scope="col">Changes</th>
          </tr>
        </thead>
        <tbody>
          {windows.items.map((one) => (
            <tr key={`${one.rule} ${one.schedule} ${one.timeZone}`}>
              <td>{one.rule}</td>
              <td>
                <code>{one.schedule}</code> for {length(one.seconds)} <span class="quiet">{one.timeZone}</span>
              </td>
              <td>
                <Mark look={one.open ? { word: 'lasts', tone: 'busy', shape: 'half' } : { word: 'not now', tone: 'idle', shape: 'hollow' }} />
              </td>
              <td>{one.changes ? one.changes.local : <span class="quiet">never</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Which objects a rule is for. */
interface Target {
  group?: string | null;
  kind?: string | null;
  name?: string | null;
}

/** `Deployment.apps web`, with `any` for what is not named. */
function target({ group, kind, name }: Target): string {
  return `${kind ?? 'any kind'}${group ? `.${group}` : ''}${name ? ` ${name}` : ''}`;
}

interface RulesProps<R> {
  title: string;
  /** The heading of what a rule says. */
  what: string;
  rules: R[];
  none: string;
  children: (rule: R) => ComponentChildren;
}

/** Rules with the objects that each is for, and how many of these there are now. */
function Rules<R extends Target & { objects: number }>({ title, what, rules, none, children }: RulesProps<R>) {
  return (
    <section>
      <h2>{title}</h2>
      {rules.length === 0 ? (
        <p class="nothing">{none}</p>
      ) : (
        <table class="list rules">
          <thead>
            <tr>
              <th scope="col">Objects</th>
              <th scope="col">{what}</th>
              <th scope="col" class="number">
                Fits
              </th>
            </tr>
          </thead>
          <tbody>
            {rules.map((rule, index) => (
              <tr key={index}>
                <td>{target(rule)}</td>
                <td>{children(rule)}</td>
                <td class="number">{rule.objects === 0 ? <span class="quiet">none now</span> : rule.objects}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Ignored({ rules }: { rules: Settings['ignore'] }) {
  return (
    <Rules title="Fields that are left to others" what="Fields or manager" rules={rules} none="It leaves no field to others.">
      {({ fields, manager }) => (
        <>
          {fields.map((field) => (
            <code key={field} class="field">
              {field}
            </code>
          ))}
          {manager ? (
            <span>
              what <code>{manager}</code> holds
            </span>
          ) : null}
        </>
      )}
    </Rules>
  );
}

function HealthRules({ title, rules, none }: { title: string; rules: HealthRule[]; none: string }) {
  return (
    <Rules title={title} what="Rule" rules={rules} none={none}>
      {(rule) =>
        (['healthy', 'degraded', 'progressing'] as const).map((state) =>
          rule[state] ? (
            <span key={state} class="field">
              {state} when <code>{rule[state]}</code>
            </span>
          ) : null,
        )
      }
    </Rules>
  );
}

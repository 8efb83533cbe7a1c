// The logs of the pods of an application.
import { useLoaded } from '../../load.ts';
import type { Resources } from '../../model.ts';
import { LogPane, type Choice } from '../../parts/log-pane.tsx';
import { Missing } from '../../parts/missing.tsx';
import { Forbidden, Shown } from '../../parts/states.tsx';
import { searchFor } from '../../route.ts';
import type { TabProps } from './tabs.tsx';

export function Logs({ detail, path, concerns, given }: TabProps) {
  const loaded = useLoaded<Resources>(`${path}/resources`, concerns);
  const { namespace, name } = detail.summary;
  return (
    <section aria-label="Logs">
      <Shown of={loaded}>
        {(tree) => {
          const pods = tree.items
            .filter(({ object }) => object.kind === 'Pod' && object.group === '')
            .map(({ object, containers }) => ({
              namespace: object.namespace ?? '',
              name: object.name,
              containers: containers.map((one) => one.name),
            }));
          const blind = tree.missing.filter((right) => right.resource === 'pods');
          if (blind[0] && pods.length === 0) return <Forbidden right={blind[0].sentence} retry={loaded.reload} />;
          return (
            <>
              <Missing rights={blind} notes={[]} />
              <LogPane
                path={path}
                pods={pods}
                start={given}
                onChoice={(choice: Choice) => searchFor({ page: 'application', namespace, name, tab: 'logs', given: { ...choice } })}
              />
            </>
          );
        }}
      </Shown>
    </section>
  );
}

// What a list without applications shows: all that it takes to have one.
import { Copy } from '../../parts/copy.tsx';

const repositoryYaml = `apiVersion: syncline.dev/v1alpha1
kind: Repository
metadata:
  name: config
  namespace: default
spec:
  url: https://git.example.com/acme/config.git
  ref:
    branch: main
`;
const applicationYaml = `apiVersion: syncline.dev/v1alpha1
kind: Application
metadata:
  name: web
  namespace: default
spec:
  repository: config
  path: apps/web
  serviceAccount: deployer
`;

export function Guide() {
  return (
    <section class="guide">
      <p>There is no application yet. This is all it takes:</p>
      <ol>
        <li>
          <h2>Say where your configuration lives</h2>
          <Copy text={repositoryYaml} />
        </li>
        <li>
          <h2>Say what to run from it</h2>
          <Copy text={applicationYaml} />
        </li>
        <li>
          <h2>Apply both</h2>
          <p>
            <code>kubectl apply -f config.yaml</code>. The service account needs the rights to write what is
            under the path. This page shows the application as soon as it exists.
          </p>
        </li>
      </ol>
    </section>
  );
}

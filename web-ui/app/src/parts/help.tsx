// What the keys do and what a filter understands.
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { over } from '../over.ts';
import { Dialog } from './dialog.tsx';

const everywhere: [string[], string][] = [
  [['Ctrl', 'K'], 'go to an application, page or saved view, or do what the page offers'],
  [['/'], 'search'],
  [['j'], 'next row'],
  [['k'], 'row before'],
  [['Enter'], 'open the row'],
  [['Esc'], 'leave the search, close what lies over the page'],
  [['?'], 'this help'],
];

/** Where objects are shown as a tree. */
const tree: [string[], string][] = [
  [['↑', '↓'], 'walk the tree'],
  [['→', '←'], 'open and close'],
  [['h'], 'show what is healthy, or only what is not'],
];

const filters: [string, string][] = [
  ['limit ada', 'both words, anywhere in what is said of it'],
  ['"raise the limit"', 'these words together; also a text with a colon'],
  ['state:failing', 'failing, waiting, progressing, suspended or healthy'],
  ['health:degraded,missing', 'one of several values'],
  ['ns:pay*', 'a star stands for anything'],
  ['-label:team=shop', 'not; a label by its name, or name and value'],
  ['reason:DriftFound', 'the state in one word'],
  ['drift:yes', 'live objects differ from Git and stay so'],
  ['update:yes', 'a newer tag of an image waits'],
  ['auto:off', 'newer commits wait until a person asks'],
  ['hold:pinned', 'what keeps it from its newest commit'],
  ['image:api', 'also repo, path, name, rev, author, waits'],
  ['cause:webhook result:failed', 'of the last sync'],
];

export function Help() {
  const here = useMemo(() => [...chords(), ...own(), ...(document.querySelector('.tree') ? tree : [])], []);
  return (
    <Dialog title="Keys and filters" size="broad" onClose={() => (over.value = null)}>
      <div class="split help">
        <Table caption="Keys">
          {[...everywhere, ...here].map(([keys, does]) => (
            <tr key={keys.join(' ')}>
              <th scope="row">
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{does}</td>
            </tr>
          ))}
        </Table>
        <Table caption="Filters of the list of applications">
          {filters.map(([text, finds]) => (
            <tr key={text}>
              <th scope="row">
                <code>{text}</code>
              </th>
              <td>{finds}</td>
            </tr>
          ))}
        </Table>
      </div>
    </Dialog>
  );
}

function Table({ caption, children }: { caption: string; children: ComponentChildren }) {
  return (
    <table>
      <caption>{caption}</caption>
      <tbody>{children}</tbody>
    </table>
  );
}

/** The pages that a letter after `g` leads to. */
function chords(): [string[], string][] {
  const links = document.querySelectorAll<HTMLElement>('.top [data-go]');
  return [...links].map((one) => [['g', one.dataset.go ?? ''], `go to ${one.dataset.says ?? one.textContent ?? ''}`]);
}

/** What letters do on this page. */
function own(): [string[], string][] {
  const all = document.querySelectorAll<HTMLElement>('main [data-key]');
  const said = [...all].map((one): [string, string] => [one.dataset.key ?? '', (one.dataset.says ?? one.textContent ?? '').trim()]);
  return [...new Map(said)].map(([key, does]) => [[key], does]);
}

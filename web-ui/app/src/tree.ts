// The resource tree as rows: what is open, what is folded away, where the focus goes.
import type { ResourceContainer, ResourceNode } from './model.ts';
import { written } from './objects.ts';

/** From this many objects on, those of one kind are one row that opens. */
const groupedFrom = 300;

export interface Row {
  /** Names the row as long as the object is there. */
  id: string;
  /** From 1, as `aria-level` has it. */
  level: number;
  /** Whether something is below it, and is shown. */
  open: boolean | undefined;
  /** Its place among its siblings, from 1, and how many these are. */
  place: number;
  of: number;
  what:
    | { is: 'object'; node: ResourceNode }
    | { is: 'container'; pod: ResourceNode; container: ResourceContainer }
    | { is: 'kind'; kind: string; nodes: ResourceNode[] }
    | { is: 'well'; count: number };
}

export interface Folds {
  /** What a person opened or closed; the rest is open where something below it is not well. */
  chosen: ReadonlyMap<string, boolean>;
  /** Whether objects that are well, with all that is below them, are shown. */
  well: boolean;
  /** Only what has this in its kind or name, and what that is below. */
  search: string;
}

export function keyOf({ object }: ResourceNode): string {
  return written(object);
}

/** Whether there is nothing about an object that anybody should look at. */
export function isWell(node: ResourceNode): boolean {
  const healthy = node.health === 'Healthy' || node.health === 'Suspended';
  return healthy && (!node.sync || node.sync === 'synced' || node.sync === 'hook');
}

/** An object with what is below it. */
interface Branch {
  node: ResourceNode;
  below: Branch[];
  /** It and all that is below it. */
  well: boolean;
  found: boolean;
}

function grown(items: ResourceNode[], search: string): Branch[] {
  const wanted = search.trim().toLowerCase();
  const branches = items.map((node) => ({
    node,
    below: [] as Branch[],
    well: isWell(node),
    found: wanted === '' || `${node.object.kind} ${node.object.name}`.toLowerCase().includes(wanted),
  }));
  const roots: Branch[] = [];
  // Children come after their parents, so from the end each knows all about itself.
  for (let at = branches.length - 1; at >= 0; at -= 1) {
    const branch = branches[at]!;
    const parent = branch.node.parent == null ? undefined : branches[branch.node.parent];
    if (parent) {
      parent.below.unshift(branch);
      parent.well &&= branch.well;
      parent.found ||= branch.found;
    } else {
      roots.unshift(branch);
    }
  }
  return roots;
}

/** The rows that are seen, in their order. */
export function rows(items: ResourceNode[], folds: Folds): Row[] {
  const roots = grown(items, folds.search).filter((root) => root.found);
  // Who searches wants to see what was found.
  const searched = folds.search.trim() !== '';
  const shown = folds.well || searched ? roots : roots.filter((root) => !root.well);
  const folded = roots.length - shown.length;
  const out: Row[] = [];
  const isOpen = (id: string, otherwise: boolean) => folds.chosen.get(id) ?? otherwise;

  const object = (branch: Branch, level: number, place: number, of: number): void => {
    const id = keyOf(branch.node);
    const below = branch.below.filter((one) => one.found);
    const containers = branch.node.containers;
    const count = below.length + containers.length;
    const open = count === 0 ? undefined : isOpen(id, searched ? below.length > 0 : !branch.well);
    out.push({ id, level, open, place, of, what: { is: 'object', node: branch.node } });
    if (!open) return;
    below.forEach((one, index) => object(one, level + 1, index + 1, count));
    containers.forEach((container, index) =>
      out.push({
        id: `${id}#${container.name}`,
        level: level + 1,
        open: undefined,
        place: below.length + index + 1,
        of: count,
        what: { is: 'container', pod: branch.node, container },
      }),
    );
  };

  if (shown.length > groupedFrom) {
    const kinds = new Map<string, Branch[]>();
    for (const root of shown) {
      const { kind, group } = root.node.object;
      const name = group ? `${kind}.${group}` : kind;
      const others = kinds.get(name);
      if (others) others.push(root);
      else kinds.set(name, [root]);
    }
    const groups = [...kinds];
    groups.forEach(([name, branches], index) => {
      const id = `kind:${name}`;
      const open = isOpen(id, searched || branches.some((branch) => !branch.well));
      const nodes = branches.map((branch) => branch.node);
      const kind = nodes[0]!.object.kind;
      out.push({ id, level: 1, open, place: index + 1, of: groups.length, what: { is: 'kind', kind, nodes } });
      if (open) branches.forEach((branch, at) => object(branch, 2, at + 1, branches.length));
    });
  } else {
    const of = shown.length + (folded > 0 ? 1 : 0);
    shown.forEach((root, index) => object(root, 1, index + 1, of));
  }
  if (folded > 0) {
    out.push({ id: 'well', level: 1, open: false, place: shown.length + 1, of: shown.length + 1, what: { is: 'well', count: folded } });
  }
  return out;
}

export type Step = { to: number } | { set: string; open: boolean } | undefined;

/** What a key does in a tree grid whose focus is on a row. */
export function step(all: Row[], at: number, key: string, page: number): Step {
  const row = all[at];
  const last = all.length - 1;
  if (!row) return all.length > 0 ? { to: 0 } : undefined;
  switch (key) {
    case 'ArrowDown':
      return { to: Math.min(last, at + 1) };
    case 'ArrowUp':
      return { to: Math.max(0, at - 1) };
    case 'PageDown':
      return { to: Math.min(last, at + page) };
    case 'PageUp':
      return { to: Math.max(0, at - page) };
    case 'Home':
      return { to: 0 };
    case 'End':
      return { to: last };
    case 'ArrowRight':
      if (row.open === false) return { set: row.id, open: true };
      return row.open ? { to: at + 1 } : undefined;
    case 'ArrowLeft': {
      if (row.open && row.what.is !== 'well') return { set: row.id, open: false };
      for (let above = at - 1; above >= 0; above -= 1) {
        if (all[above]!.level < row.level) return { to: above };
      }
      return undefined;
    }
    default:
      return undefined;
  }
}

/** How many there are of what, in words: `3 failing, 1 progressing, 40 well`. */
export function summary(items: ResourceNode[]): string {
  const own = items.filter((node) => node.parent == null);
  const bad = own.filter((node) => node.health === 'Degraded' || node.health === 'Missing').length;
  const busy = own.filter((node) => node.health === 'Progressing').length;
  const drifted = own.filter((node) => node.sync === 'drifted').length;
  const below = items.length - own.length;
  const parts: [number, string][] = [
    [bad, 'failing'],
    [busy, 'progressing'],
    [drifted, 'drifted'],
  ];
  const said = parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  const objects = `${own.length} ${own.length === 1 ? 'object' : 'objects'} from Git`;
  return [objects, ...said, ...(below > 0 ? [`${below} below them`] : [])].join(', ');
}

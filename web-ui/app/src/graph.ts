// From the drawn graph of dependencies to lines of SVG and rows of a list.
import type { DependencyGraph, DrawnApplication, DrawnNeed, GraphPoint } from './model.ts';

/** A line through its points that leaves and reaches each of them level. */
export function curve(points: readonly GraphPoint[]): string {
  const [first, ...rest] = points;
  if (!first) return '';
  let last = first;
  let path = `M${first.x} ${first.y}`;
  for (const point of rest) {
    const middle = (last.x + point.x) / 2;
    path += ` C${middle} ${last.y} ${middle} ${point.y} ${point.x} ${point.y}`;
    last = point;
  }
  return path;
}

/** A name that fits a box: what does not is cut off. */
export function fitting(name: string, most: number): string {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

/** An application with what it needs and what needs it. */
export interface Line {
  application: DrawnApplication;
  needs: { application: DrawnApplication; need: DrawnNeed }[];
  neededBy: DrawnApplication[];
}

/** One line for each application: those that wait first, and in a circle before all. */
export function lines({ applications, needs }: DependencyGraph): Line[] {
  const found: Line[] = applications.map((application) => ({ application, needs: [], neededBy: [] }));
  for (const need of needs) {
    const [from, to] = [found[need.from], found[need.to]];
    if (!from || !to) continue;
    from.needs.push({ application: to.application, need });
    to.neededBy.push(from.application);
  }
  const rank = ({ application }: Line) => (application.inCircle ? 0 : application.blocked ? 1 : 2);
  return found.sort((a, b) => rank(a) - rank(b));
}

/** `a → b → a`. */
export function circleInWords(circle: readonly { namespace: string; name: string }[]): string {
  return circle.map(({ name }) => name).join(' → ');
}

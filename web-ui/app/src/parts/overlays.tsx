// The palette and the help, fetched when a key asks for them first.
import { over } from '../over.ts';
import { later } from './later.tsx';

const Palette = later(() => import('./palette.tsx').then(({ Palette }) => Palette), 'overlay');
const Help = later(() => import('./help.tsx').then(({ Help }) => Help), 'overlay');

export function Overlays() {
  switch (over.value) {
    case 'palette':
      return <Palette />;
    case 'help':
      return <Help />;
    case null:
      return null;
  }
}

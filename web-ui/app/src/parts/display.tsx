// The menu in which a person chooses colours, the zone of times, and whether letters are keys.
import * as display from '../display.ts';
import type { Letters, Theme, Zone } from '../display.ts';
import { Menu } from './menu.tsx';

const colours: Record<Theme, string> = { auto: 'as the system', light: 'light', dark: 'dark' };
const times: Record<Zone, string> = { local: 'where I am', utc: 'UTC' };
const letters: Record<Letters, string> = { on: 'are keys', off: 'do nothing' };

export function DisplayMenu() {
  return (
    <Menu name="Display">
      {() => (
        <div class="form">
          <Choices legend="Colours" all={display.themes} words={colours} chosen={display.theme.value} set={display.setTheme} />
          <Choices legend="Times" all={display.zones} words={times} chosen={display.zone.value} set={display.setZone} />
          <Choices legend="Letters" all={display.switches} words={letters} chosen={display.letters.value} set={display.setLetters} />
        </div>
      )}
    </Menu>
  );
}

interface Props<T extends string> {
  legend: string;
  all: readonly T[];
  words: Record<T, string>;
  chosen: T;
  set: (one: T) => void;
}

function Choices<T extends string>({ legend, all, words, chosen, set }: Props<T>) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {all.map((one) => (
        <label key={one} class="choice">
          <input type="radio" name={legend} checked={one === chosen} onChange={() => set(one)} />
          {words[one]}
        </label>
      ))}
    </fieldset>
  );
}

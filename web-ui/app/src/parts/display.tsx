// The menu in which a person chooses colours and the zone of times.
import { setTheme, setZone, theme, themes, zone, zones, type Theme, type Zone } from '../display.ts';
import { Menu } from './menu.tsx';

const colours: Record<Theme, string> = { auto: 'as the system', light: 'light', dark: 'dark' };
const times: Record<Zone, string> = { local: 'where I am', utc: 'UTC' };

export function DisplayMenu() {
  return (
    <Menu name="Display">
      {() => (
        <div class="form">
          <fieldset>
            <legend>Colours</legend>
            {themes.map((one) => (
              <label key={one} class="choice">
                <input type="radio" name="theme" checked={theme.value === one} onChange={() => setTheme(one)} />
                {colours[one]}
              </label>
            ))}
          </fieldset>
          <fieldset>
            <legend>Times</legend>
            {zones.map((one) => (
              <label key={one} class="choice">
                <input type="radio" name="zone" checked={zone.value === one} onChange={() => setZone(one)} />
                {times[one]}
              </label>
            ))}
          </fieldset>
        </div>
      )}
    </Menu>
  );
}

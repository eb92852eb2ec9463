/** What the unit tells the runtime inside the single file: agents of tests are told the same. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const unit = join(import.meta.dirname, '..', '..', 'systemd', 'fairlead.service');

/** Its variables of the environment. */
export const shippedRuntime: Readonly<Record<string, string>> = Object.fromEntries(
  [...readFileSync(unit, 'utf8').matchAll(/^Environment=((?:BUN_JSC|MIMALLOC)_\w+)=(\S+)$/gm)].map(
    ([, name = '', value = '']) => [name, value],
  ),
);

/** What the service's unit puts into the environment of the runtime inside the binary. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const unit = join(import.meta.dirname, '../../systemd/fairlead.service');

/** Its variables for the runtime: where a binary is measured it runs as systemd would run it. */
export function serviceEnvironment(): Readonly<Record<string, string>> {
  const lines = readFileSync(unit, 'utf8').matchAll(/^Environment=((?:BUN|MIMALLOC)_\w+)=(\S*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

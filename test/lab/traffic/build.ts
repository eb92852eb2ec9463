/** Builds the traffic program (`instrument/*.c`): one static program, made once for its sources. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { runOk } from '../run.ts';

const sources = join(import.meta.dirname, 'instrument');
const cache = join(import.meta.dirname, '..', '..', '..', 'node_modules', '.cache', 'fairlead');
const dayMs = 86_400_000;
let built: Promise<string> | undefined;

/** Path of the program; built at the first call. */
export function trafficProgram(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const names = readdirSync(sources).toSorted();
  const hash = createHash('sha256');
  for (const name of names) hash.update(readFileSync(join(sources, name)));
  const path = join(cache, `traffic-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true });
  const own = `${path}.${process.pid}`;
  const units = names.filter((name) => name.endsWith('.c')).map((name) => join(sources, name));
  await runOk(['gcc', '-static', '-O1', '-Wall', '-Wextra', '-Werror', '-o', own, ...units]);
  renameSync(own, path);
  removeOld();
  return path;
}

/** Those of sources that are no more; a test that still runs may need one of today. */
function removeOld(): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (name.startsWith('traffic-') && Date.now() - statSync(path).mtimeMs > dayMs) rmSync(path);
  }
}

/**
 * The tests of managed plugins on one engine after the other: the machine's own, then newer ones. `node
 * test/lab/engines.ts [SUITE…] [FILE…]`, where `own` is the machine's; without any, all.
 */
import { spawnSync } from 'node:child_process';
import { engineSuites, makeEngineRoot, suiteVariable } from './engine-root.ts';
import { ensurePackages } from './packages.ts';

const own = 'own';
const known: readonly string[] = [own, ...engineSuites];
const words = process.argv.slice(2);
const asked = words.filter((word) => known.includes(word));
const files = words.filter((word) => !known.includes(word));
const failed: string[] = [];

await ensurePackages(['debootstrap']);
for (const suite of asked.length === 0 ? known : asked) {
  process.stdout.write(`== engine: ${suite}\n`);
  if (suite !== own) await makeEngineRoot(suite);
  const env = { ...process.env, [suiteVariable]: suite === own ? '' : suite };
  const { status } = spawnSync('vitest', ['run', '--project', 'plugin', ...files], {
    stdio: 'inherit',
    env,
  });
  if (status !== 0) failed.push(suite);
}
process.stdout.write(failed.length === 0 ? 'all engines pass\n' : `failed: ${failed.join(' ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

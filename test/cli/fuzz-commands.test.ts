/**
 * Whatever is typed behind the commands of `fairlead` that are no noun, against the whole API of a host on a socket,
 * with a cluster of one host behind it and files that were drawn: an answer of ours with an exit code of ours, what was
 * refused has changed nothing, no file is left, and nothing hangs.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createApiApp } from '../../lib/api/app.ts';
import { commandSet } from '../../lib/cli/commands.ts';
import { objectCommands } from '../../lib/cli/objects/object-commands.ts';
import { isErrorCode, treatmentOf } from '../../lib/errors.ts';
import { listen, type Listener } from '../../lib/runtime/listen.ts';
import { apiSources } from '../api/api-sources.ts';
import { contivSources } from '../api/contiv/contiv-site.ts';
import { objectSite, type ObjectSite } from '../api/objects/object-site.ts';
import { freeAddress, lookOf, Site, type SiteHost } from '../store/replicated/site.ts';
import { wrongOfObjects } from '../support/object-check.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { flagsOf, line, word } from './drawn-lines.ts';
import { run } from './terminal.ts';

/** What one command may take. */
const mostMs = 20_000;

let folder: string;
let objects: ObjectSite;
let cluster: Site;
let host: SiteHost;
let listener: Listener;
let environment: Record<string, string>;
let token: string;
let snapshot: string;
const before = process.cwd();

beforeEach(async () => {
  cluster = new Site();
  host = await cluster.host('edge-1');
  // it listens already, so that no line opens a port for everybody
  const at = await freeAddress();
  await host.operations.init({ listen: at, advertise: [at] });
  ({ token } = await host.operations.token({ role: 'voter', ttlMs: 600_000, uses: 3 }));
  snapshot = (await Array.fromAsync(host.operations.snapshot())).join('\n');
  folder = mkdtempSync(join(tmpdir(), 'fairlead-fuzz-'));
  objects = await objectSite();
  const app = createApiApp({
    ...apiSources(),
    cluster: async () => host.operations,
    contiv: { ...contivSources(objects.whole), objects: async () => objects.objects },
  });
  const path = join(folder, 'api.sock');
  listener = await listen({ path }, app.fetch);
  environment = { FAIRLEAD_API_SOCKET: path, HOME: folder };
  for (const name of ['temp', 'work']) mkdirSync(join(folder, name));
  vi.stubEnv('TMPDIR', join(folder, 'temp'));
  await run(['apply', '-f', write('site.yaml', good)], { environment });
  await run('group create app --network web --policies p'.split(' '), { environment });
});
afterEach(async () => {
  process.chdir(before);
  vi.unstubAllEnvs();
  await listener.close();
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const documentOf = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'fairlead/v1',
  kind,
  metadata: { tenant: 'default', name },
  spec,
});
const web = documentOf('network', 'web', { subnet: '10.1.0.0/24', gateway: '10.1.0.254' });
const good = JSON.stringify([web, documentOf('policy', 'p', {})]);
const documents = fc.oneof(
  fc.constantFrom(good, JSON.stringify(web), JSON.stringify([documentOf('tenant', 'blue', {})])),
  fc.constantFrom(
    JSON.stringify([documentOf('policy', 'q', {}), documentOf('endpointGroup', 'x', {})]),
    JSON.stringify(documentOf('network', 'web', { subnet: '10.9.0.0/33' })),
    'apiVersion: fairlead/v1\nkind: policy\nmetadata: {name: r}\n---\nkind: [',
    'a: &a [*a]',
    '',
  ),
  fc.json(),
  fc.string({ maxLength: 60, unit: 'binary' }),
);
const other = fc.oneof(
  fc.nat(3_000).map((length) => snapshot.slice(0, length)),
  fc.constant('').map(() => snapshot),
  fc.json(),
  fc.string({ maxLength: 60, unit: 'binary' }),
  fc.uint8Array({ maxLength: 60 }),
);

/** Files of a round, by the names that lines have. */
const files = fc.record({
  'site.yaml': documents,
  'more/site.json': documents,
  'saved.snapshot': other,
  'carried.request': other,
});
const names = ['site.yaml', 'more', 'saved.snapshot', 'carried.request', 'missing', 'new/file'];
const special = fc.constantFrom('FROM', 'TO', 'edge-1', 'info', 'debug', 'voter', 'bash', 'TOKEN');
const words = fc.oneof(
  { weight: 4, arbitrary: word },
  {
    weight: 4,
    arbitrary: fc.constantFrom(...names, ...names.map((name) => `HERE/${name}`)),
  },
  { weight: 2, arbitrary: special },
);

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, 'work', name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** Whether a line may be run: it neither waits for a standard input nor writes outside the folder. */
const isSafe = (line_: readonly string[]): boolean =>
  !line_.some(
    (each) => /^(?:-|-f-|--file=-)$/.test(each) || /^(?:-[a-z]|--[a-z-]+=)?\//.test(each),
  );

/** Those that put files of the host elsewhere, or give NICs back whatever is said; and netctl, which has its own. */
const left: ReadonlySet<string> = new Set(['give-back', 'netctl']);
const commands = commandSet.commands.filter(
  (command) => !objectCommands.includes(command) && !left.has(command.name),
);
const reading =
  /^(?:version|self-test|diff|export|completion|man|policy explain|cluster (?:status|members|snapshot (?:save|inspect))|node list|ipam check|log show|plugin|bundle|agent)\b/;
/** Exit codes without an error, of commands that answer a question by it. */
const telling =
  /^(?:diff|plugin check|policy explain|cluster (?:status|members)|node list|ipam check)\b/;

/** What is stored, of the cluster without certificates: those are exchanged for a while after a command. */
async function kept(): Promise<unknown> {
  const { file, ...rest } = (await lookOf(host)) as {
    readonly file: Readonly<Record<string, unknown>>;
  };
  const rows = [...objects.whole.rows].filter(([key]) => !/^\/(?:guard|ipam\/space)/.test(key));
  return { rows, ...rest, listen: file['listen'], advertise: file['advertise'] };
}

const namesIn = (place: string): readonly string[] =>
  readdirSync(place, { recursive: true, encoding: 'utf8' }).toSorted();

async function playedIn(
  drawn: readonly string[],
  given: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  const work = join(folder, 'work');
  rmSync(work, { recursive: true, force: true });
  for (const [name, content] of Object.entries(given)) write(name, content);
  process.chdir(work);
  const here = drawn.map((each) => each.replace('HERE', work).replace('TOKEN', token));
  const earlier = await kept();
  const there = namesIn(work);
  const { exitCode, out, error } = await run(here, { environment });
  expect(`${out}${error}`).not.toMatch(/^ {4}at |INTERNAL|\[object |undefined/m);
  expect(readdirSync(join(folder, 'temp'))).toEqual([]);
  expect([...wrongOfObjects(objects.whole), ...wrongOfSite(objects.whole)]).toEqual([]);
  const said = drawn.join(' ');
  const isTold = exitCode !== 0 && error === '' && telling.test(said);
  const isTried = drawn.includes('--dry-run') || drawn.includes('--help');
  if (reading.test(said) || isTried) expect(await kept()).toEqual(earlier);
  if (exitCode === 0) expect(error).toBe('');
  if (exitCode === 0 || isTold) return;
  const code = /^error: [^\n]* \(([A-Z_]+)\)(?:: [^\n]*)?\n$/s.exec(error)?.[1] ?? error;
  expect(isErrorCode(code) ? treatmentOf(code).exitCode : code).toBe(exitCode);
  // of many documents some may be done
  if (/^(?:apply|delete)\b/.test(said) && out !== '') return;
  expect(await kept()).toEqual(earlier);
  expect(namesIn(work)).toEqual(there);
}

it('one line with a code, the exit code of that code, and nothing changed by what is refused', async () => {
  const rows = commands.map(({ name, options }) =>
    line(name.split(' '), { flags: flagsOf(options), max: 3, words }).filter(isSafe),
  );
  await fc.assert(fc.asyncProperty(fc.oneof(...rows), files, playedIn), {
    numRuns: 400,
    timeout: mostMs,
  });
}, 120_000);

it.each(['new/file', 'more'])(
  'a snapshot that cannot be written to %s is refused at once',
  async (name) => {
    for (let round = 0; round < 20; round += 1) {
      await playedIn(['cluster', 'snapshot', 'save', `HERE/${name}`], { 'more/site.json': '' });
    }
  },
);

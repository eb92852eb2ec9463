/**
 * Whatever is typed behind `fairlead NOUN` and `netctl`, against a real API on a socket: an answer of ours with an exit
 * code of ours, and what was not done has changed nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { Hono } from 'hono';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { commandTable } from '../../lib/cli/netctl/core/table.ts';
import { objectCommands } from '../../lib/cli/objects/object-commands.ts';
import { isErrorCode, treatmentOf } from '../../lib/errors.ts';
import { listen, type Listener } from '../../lib/runtime/listen.ts';
import { contivRoutes } from '../../lib/api/contiv/routes.ts';
import { objectSite, type ObjectSite } from '../api/objects/object-site.ts';
import { contivSources } from '../api/contiv/contiv-site.ts';
import { wrongOfObjects } from '../support/object-check.ts';
import { wrongOfSite } from '../support/site-check.ts';
import { flagsOf, line, word } from './drawn-lines.ts';
import { run } from './terminal.ts';

let folder: string;
let site: ObjectSite;
let listener: Listener;
let environment: Record<string, string>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-fuzz-'));
  site = await objectSite();
  const app = new Hono();
  app.route('/', contivRoutes(contivSources(site.whole)));
  app.mount('/', site.fetch);
  const path = join(folder, 'api.sock');
  listener = await listen({ path }, app.fetch);
  environment = { FAIRLEAD_API_SOCKET: path, HOME: folder };
  for (const words of prepared) await fairlead(words.split(' '));
});
afterEach(async () => {
  await listener.close();
  rmSync(folder, { recursive: true });
});

/** Something to name, to be in the way, and to be removed. */
const prepared = [
  'network create web --subnet 10.1.0.0/24 --gateway 10.1.0.254',
  'policy create p',
  'group create app --network web --policies p',
];
const fairlead = (words: readonly string[]) => run(words, { environment });

/** What is kept, without what only says that somebody has looked. */
const kept = (): readonly unknown[] =>
  [...site.whole.rows].filter(([key]) => !/^\/(?:guard|ipam\/space)/.test(key));

/** Runs it, and says whether it may have changed something and has. */
async function played(
  words: readonly string[],
  isReading: boolean,
): Promise<Awaited<ReturnType<typeof run>>> {
  const before = kept();
  const done = await fairlead(words);
  if (done.exitCode !== 0 || isReading) expect(kept()).toEqual(before);
  expect([...wrongOfObjects(site.whole), ...wrongOfSite(site.whole)]).toEqual([]);
  expect(`${done.out}${done.error}`).not.toMatch(/^ {4}at |INTERNAL|\[object |undefined/m);
  return done;
}

it('fairlead NOUN: one line with a code, and the exit code of that code', async () => {
  const rows = objectCommands.map(({ name, options }) =>
    line(name.split(' '), { flags: flagsOf(options), max: 3 }),
  );
  const slip = line(['netwrok'], { max: 2 });
  await fc.assert(
    fc.asyncProperty(fc.oneof(...rows, slip), async (words) => {
      const isReading = / (?:ls|get)$/.test(words.slice(0, 2).join(' '));
      const isTried = words.includes('--dry-run') || words.includes('--help');
      const { exitCode, error, out } = await played(words, isReading || isTried);
      if (exitCode === 0) {
        expect(error).toBe('');
        return;
      }
      const code = /^error: [^\n]* \(([A-Z_]+)\)(?:: [^\n]*)?\n$/s.exec(error)?.[1] ?? error;
      expect(isErrorCode(code) ? treatmentOf(code).exitCode : code).toBe(exitCode);
      expect(out).toBe('');
    }),
    { numRuns: 400 },
  );
});

it('netctl: a line of its log, and one of its exit codes', async () => {
  const rows = commandTable.map(({ family, name, flags }) =>
    line(['netctl', ...(family === undefined ? [] : [family]), name], {
      flags: flags.flatMap(({ names, type }) =>
        names.map((each) => ({
          flag: `${each.length === 1 ? '-' : '--'}${each}`,
          isSwitch: type === 'switch',
        })),
      ),
      max: 3,
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(...rows), async (words) => {
      const isReading = /^(?:ls|inspect|info|rule-ls|group-ls)$/.test(words[2] ?? '');
      const { exitCode, error, out } = await played(words, isReading);
      expect([0, 1, 3]).toContain(exitCode);
      if (exitCode === 0) return;
      // a login that wants another server says so where help is
      if (words[1] === 'login' && error === '') expect(out).toMatch(/^login requires a https /);
      else expect(error).toMatch(/^time="?[^ ]+"? level=error msg=[^\n]+\n$/);
    }),
    { numRuns: 400 },
  );
});

it('what shells ask for to complete a line is an answer, and changes nothing', async () => {
  const nouns = fc.constantFrom('network', 'group', 'rule', 'netctl', 'nothing');
  const words = fc.tuple(nouns, fc.array(word, { maxLength: 4 }));
  await fc.assert(
    fc.asyncProperty(words, async ([noun, rest]) => {
      const { exitCode, error } = await played(['__complete', noun, ...rest], true);
      expect([exitCode, error]).toEqual([0, '']);
    }),
    { numRuns: 60 },
  );
});

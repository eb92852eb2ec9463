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
import { appProfileCommands } from '../../lib/cli/netctl/core/commands/applications.ts';
import {
  contractCommands,
  serviceCommands,
} from '../../lib/cli/netctl/core/commands/applications.ts';
import { groupCommands, netprofileCommands } from '../../lib/cli/netctl/core/commands/groups.ts';
import { policyCommands } from '../../lib/cli/netctl/core/commands/policies.ts';
import { bgpCommands, globalCommands } from '../../lib/cli/netctl/core/commands/site.ts';
import { networkCommands, tenantCommands } from '../../lib/cli/netctl/core/commands/tenants.ts';
import { objectCommands } from '../../lib/cli/objects/object-commands.ts';
import { isErrorCode, treatmentOf } from '../../lib/errors.ts';
import { listen, type Listener } from '../../lib/runtime/listen.ts';
import { contivRoutes } from '../../lib/api/contiv/routes.ts';
import { objectSite, type ObjectSite } from '../api/objects/object-site.ts';
import { contivSources } from '../api/contiv/contiv-site.ts';
import { wrongOfObjects } from '../support/object-check.ts';
import { wrongOfSite } from '../support/site-check.ts';
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

const known = ['web', 'app', 'p', 'default', '1', '10.1.0.0/24', '10.2.0.0/24', '10.2.0.1'];
const meant = ['vxlan', 'vlan', 'data', 'in', 'out', 'tcp', '80', 'allow', 'a=b', '80:80:TCP'];
const odd = [
  '',
  '-',
  '--',
  '--help',
  '-h',
  '-t',
  '--tenant',
  '=',
  '--=',
  '-1',
  '0',
  '99999999999999999999',
];
const word = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...known, ...meant) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...odd, '__proto__', '../..', '%2e', 'a:b', 'ü'),
  },
  // what is no UTF-8 comes from the system as U+FFFD, so no word has half a character
  {
    weight: 1,
    arbitrary: fc.string({ maxLength: 12, unit: 'binary' }).map((text) => text.toWellFormed()),
  },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(100_000), '{"a":1}', '$(id)', 'a\nb') },
);

/** A command with words, flags of its own and whatever else, now and then in the wrong order. */
function line(
  command: readonly string[],
  flags: readonly { readonly flag: string; readonly isSwitch: boolean }[],
  max: number,
): fc.Arbitrary<readonly string[]> {
  const one = ({ flag, isSwitch }: (typeof flags)[number]): fc.Arbitrary<readonly string[]> => {
    if (isSwitch) return fc.constantFrom([flag], [flag], [`${flag}=x`]);
    return fc.oneof(
      word.map((text) => [flag, text]),
      word.map((text) => [`${flag}=${text}`]),
      fc.constant([flag]),
    );
  };
  const given = flags.length === 0 ? fc.constant([]) : fc.constantFrom(...flags).chain(one);
  const behind = fc.tuple(fc.array(word, { maxLength: max }), fc.array(given, { maxLength: 5 }));
  const rest = behind.map(([words, options]) => [...words, ...options.flat()]);
  const mixed = rest.chain((all) => fc.shuffledSubarray([...all], { minLength: all.length }));
  return fc
    .oneof({ weight: 4, arbitrary: rest }, { weight: 1, arbitrary: mixed })
    .map((all) => [...command, ...all]);
}

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
  const rows = objectCommands.map(({ name, options }) => {
    const own = options.filter(({ flag }) => flag !== 'run-dir' && flag !== 'api-socket');
    const flags = own.flatMap(({ flag, short, placeholder }) =>
      [`--${flag}`, ...(short === undefined ? [] : [`-${short}`])].map((each) => ({
        flag: each,
        isSwitch: placeholder === undefined,
      })),
    );
    return line(name.split(' '), flags, 3);
  });
  const slip = line(['netwrok'], [], 2);
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
  const commands = [
    ...[networkCommands, tenantCommands, groupCommands, netprofileCommands, policyCommands],
    ...[appProfileCommands, contractCommands, serviceCommands, bgpCommands, globalCommands],
  ].flat();
  const rows = commands.map(({ family, name, flags }) =>
    line(
      ['netctl', ...(family === undefined ? [] : [family]), name],
      flags.flatMap(({ names, type }) =>
        names.map((each) => ({
          flag: `${each.length === 1 ? '-' : '--'}${each}`,
          isSwitch: type === 'switch',
        })),
      ),
      3,
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(...rows), async (words) => {
      const isReading = /^(?:ls|inspect|info|rule-ls|group-ls)$/.test(words[2] ?? '');
      const { exitCode, error } = await played(words, isReading);
      expect([0, 1, 3]).toContain(exitCode);
      if (exitCode !== 0) expect(error).toMatch(/^time="?[^ ]+"? level=error msg=[^\n]+\n$/);
    }),
    { numRuns: 300 },
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
